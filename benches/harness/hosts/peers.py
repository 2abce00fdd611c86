"""Other supervisors: what `--peers` installs and measures. What cannot be had is said and left out."""
import os
import shutil
import subprocess
import sys

from harness.hosts.pm2 import Pm2
from harness.hosts.s6 import Runit, S6
from harness.hosts.supervisord import Supervisord
from harness.place import PEERS


def _call(*words, folder=None, as_root=False):
    """Runs a command; what it says is shown only when it fails."""
    if as_root and os.geteuid() != 0:
        words = ("sudo", "-n", *words)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(map(str, words))}` failed: {(done.stderr or done.stdout).strip()[-200:]}")


def _debian_installed(package):
    """Installs a package, for programs that start each other by absolute path."""
    _call("apt-get", "update", "-q", as_root=True)
    _call("apt-get", "install", "-q", "-y", "--no-install-recommends", package, as_root=True)


def _debian_unpacked(package):
    """Unpacks a package that would become a service of the system if it were installed."""
    packages = PEERS / "deb"
    packages.mkdir(parents=True, exist_ok=True)
    try:
        _call("apt-get", "download", package, folder=packages)
    except RuntimeError:
        _call("apt-get", "update", "-q", as_root=True)
        _call("apt-get", "download", package, folder=packages)
    for file in packages.glob(f"{package}_*.deb"):
        _call("dpkg", "-x", file, PEERS / "root")


def _pypi(package):
    _call(sys.executable, "-m", "venv", PEERS / "venv")
    _call(PEERS / "venv" / "bin" / "pip", "install", "-q", "--disable-pip-version-check", package)


def _npm(package):
    if not shutil.which("npm"):
        raise FileNotFoundError("there is no npm")
    (PEERS / "node").mkdir(parents=True, exist_ok=True)
    _call("npm", "install", "--silent", "--no-audit", "--no-fund", package, folder=PEERS / "node")


HOW = {S6: lambda: _debian_installed("s6"), Runit: lambda: _debian_unpacked("runit"), Supervisord: lambda: _pypi("supervisor"),
       Pm2: lambda: _npm("pm2")}


def install():
    """Returns those that could be had, by name."""
    found = {}
    for host, get in HOW.items():
        try:
            if not host.program.exists():
                print(f"Getting {host.name}.", flush=True)
                get()
            if not host.program.exists():
                raise FileNotFoundError(f"no {host.program.name} after installation")
            found[host.name] = host
        except (OSError, RuntimeError) as error:
            print(f"{host.name} is left out: {error}", flush=True)
    _get_ripgrep()
    return found


def _get_ripgrep():
    """Gets the grep beside which searches in logs stand; without it that is zgrep."""
    if shutil.which("rg"):
        return
    try:
        print("Getting ripgrep.", flush=True)
        _debian_installed("ripgrep")
    except (OSError, RuntimeError) as error:
        print(f"ripgrep is left out: {error}", flush=True)
