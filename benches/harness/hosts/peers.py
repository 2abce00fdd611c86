"""Other supervisors: what `--peers` installs below target/bench/peers and measures. What cannot be had is said and left out."""
import shutil
import subprocess
import sys

from harness.hosts.pm2 import Pm2
from harness.hosts.s6 import Runit, S6
from harness.hosts.supervisord import Supervisord
from harness.place import PEERS

DEBIAN = {"runit": ["runit"]}


def _debian(peer):
    """Unpacks packages without installing them."""
    packages = PEERS / "deb"
    packages.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", *DEBIAN[peer]], cwd=packages, check=True, capture_output=True)
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, PEERS / "root"], check=True)


def _installed():
    raise FileNotFoundError("install it: its programs start each other by absolute path, so it does not run unpacked")


def _pypi():
    subprocess.run([sys.executable, "-m", "venv", PEERS / "venv"], check=True, capture_output=True)
    subprocess.run([PEERS / "venv" / "bin" / "pip", "install", "-q", "supervisor"], check=True, capture_output=True)


def _npm():
    if not shutil.which("npm"):
        raise FileNotFoundError("there is no npm")
    (PEERS / "node").mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "pm2"], cwd=PEERS / "node", check=True, capture_output=True)


HOW = {S6: _installed, Runit: lambda: _debian("runit"), Supervisord: _pypi, Pm2: _npm}


def install():
    """Returns those that could be had, by name."""
    found = {}
    for host, get in HOW.items():
        try:
            if not host.program.exists():
                get()
            if not host.program.exists():
                raise FileNotFoundError(f"no {host.program.name} after installation")
            found[host.name] = host
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{host.name} is left out: {error}")
    return found
