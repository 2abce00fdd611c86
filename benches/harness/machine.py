"""What it ran on, and how quiet that was."""
import os
import platform
import subprocess
import time

from harness import processes
from harness.place import BIN

NOISY_CORES = 0.25
"""From this many cores used by others on, a measurement counts as disturbed."""


class Noise:
    """Measures the cores that other programs used meanwhile, and other machines on the same hardware."""

    def __enter__(self):
        self.before, self.begun = processes.foreign_cpu_seconds(), time.monotonic()
        self.cores = 0.0
        return self

    def __exit__(self, *_):
        used = processes.foreign_cpu_seconds() - self.before
        self.cores = max(0.0, used) / max(1e-9, time.monotonic() - self.begun)


def wait_for_quiet(seconds):
    """Waits until others leave the machine alone, at most so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with Noise() as noise:
            time.sleep(0.3)
        if noise.cores < NOISY_CORES / 2:
            return


def file_system(path):
    """The type of the file system that holds `path`."""
    found = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _processor():
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.machine()
    except OSError:
        return platform.machine()


def _rested():
    """How far away memory is that nobody touched for a second: what is measured after a pause depends on it."""
    done = subprocess.run([BIN / "rested"], capture_output=True, text=True, check=True)
    at_once, rested = map(float, done.stdout.split())
    return f"{rested:.1f} us until one is changed, {at_once:.1f} right after the last change"


def describe(scratch):
    """What a reader has to know of the machine, as pairs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": f"{platform.system()} {platform.release()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]}",
        "processor": f"{len(os.sched_getaffinity(0))} cores of {_processor()}",
        "memory": f"{memory:.0f} GiB",
        "pages that rested for a second": _rested(),
        "folders of the hosts on": file_system(scratch),
    }
