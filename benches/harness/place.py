"""Where things lie: the project, what is built, and the folders in which hosts are measured."""
import os
import subprocess
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BENCHES = PROJECT / "benches"
BUILT = PROJECT / "target" / "bench"
BIN = BUILT / "bin"
PEERS = BUILT / "peers"
ACCEPTED = BENCHES / "accepted.json"
KEPT = BUILT / "results.json"
REPORT = PROJECT / "docs" / "performance.md"


class Scratch:
    """Folders of the measured hosts, in memory where the system has /dev/shm; large logs lie on disk.

    Nothing is deleted before the end: some file systems take long over new files after many were deleted, and the next
    host would pay for it (see benches/README.md).
    """

    def __init__(self):
        wanted = os.environ.get("BENCH_TMP") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else BUILT)
        self.root = Path(wanted) / f"webjobd-bench-{os.getpid()}"
        self.disk = Path(os.environ.get("BENCH_DISK") or BUILT) / f"webjobd-bench-disk-{os.getpid()}"
        self.made = 0
        self.root.mkdir(parents=True)

    def folder(self, name, on_disk=False):
        """Makes an empty folder."""
        self.made += 1
        folder = (self.disk if on_disk else self.root) / f"{self.made:04}-{''.join(c for c in name if c.isalnum())}"
        folder.mkdir(parents=True)
        return str(folder)

    def remove(self):
        """Deletes everything, as often as it takes for the last process that still writes to be gone."""
        for _ in range(20):
            subprocess.run(["rm", "-rf", self.root, self.disk], stderr=subprocess.DEVNULL, check=False)
            if not self.root.exists() and not self.disk.exists():
                return
            time.sleep(0.1)


def put(path, text, mode=0o644):
    """Writes a file and the folders above it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
