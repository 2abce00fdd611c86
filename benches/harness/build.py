"""Builds what is measured: webjobd's release binary and the programs of benches/c."""
import os
import subprocess

from harness.place import BENCHES, BIN, PROJECT

PROGRAMS = sorted(source.stem for source in (BENCHES / "c").glob("*.c"))


def programs():
    """Compiles the C programs that are older than their source, statically: their start shall cost next to nothing."""
    BIN.mkdir(parents=True, exist_ok=True)
    shared = max(header.stat().st_mtime for header in (BENCHES / "c").glob("*.h"))
    for name in PROGRAMS:
        source, program = BENCHES / "c" / f"{name}.c", BIN / name
        newest = max(shared, source.stat().st_mtime)
        if not program.exists() or program.stat().st_mtime < newest:
            flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-static", "-pthread"]
            subprocess.run(["cc", *flags, "-o", program, source], check=True)


def webjobd():
    """Returns the release binary: WEBJOBD_BIN, or the one that cargo builds now."""
    if given := os.environ.get("WEBJOBD_BIN"):
        return os.path.abspath(given)
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=PROJECT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")
    return str(PROJECT / target / "release" / "webjobd")
