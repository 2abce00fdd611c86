"""What measured children leave behind: a file to which each appends the time of its first and last act."""
import time
from collections import namedtuple
from pathlib import Path

from harness.place import BIN

Stamp = namedtuple("Stamp", "what ns pid name")


class Stamps:
    """One such file."""

    def __init__(self, scratch):
        self.path = Path(scratch.folder("stamps")) / "stamps"
        self.path.touch()

    def script(self, name, *life):
        """The last line of a job's script: its life is nothing, or milliseconds and exit code (-1: for ever)."""
        return " ".join(["exec", str(BIN / "stamp"), str(self.path), name, *map(str, life)])

    def clear(self):
        """Forgets everything so far."""
        with open(self.path, "w"):
            pass

    def read(self):
        """All whole lines."""
        lines = self.path.read_text().splitlines()
        parts = (line.split() for line in lines)
        return [Stamp(part[0], int(part[1]), int(part[2]), part[3]) for part in parts if len(part) == 4]

    def starts(self):
        """First acts, in the order in which they were written."""
        return [stamp for stamp in self.read() if stamp.what == "S"]

    def wait_for(self, count, timeout=60):
        """Waits for that many first acts of different jobs, and returns them."""
        # Seldom, for the stamps tell when it was: whoever reads all the time takes a processor from who is measured.
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            starts = self.starts()
            if len({stamp.name for stamp in starts}) >= count:
                return starts
            time.sleep(0.1)
        raise TimeoutError(f"{len(self.starts())} of {count} jobs began within {timeout} s")

    def wait_after(self, seen, timeout=15):
        """Waits for the first act after `seen` others, and returns it."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            starts = self.starts()
            if len(starts) > seen:
                return starts[seen]
            time.sleep(0.0007)
        raise TimeoutError(f"nothing began within {timeout} s")
