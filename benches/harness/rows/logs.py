"""M4: what children print, kept with a time stamp on every line."""
import glob
import os
import shutil
import subprocess
import time

from harness import processes
from harness.hosts.base import Job
from harness.numbers import percentile
from harness.place import BIN
from harness.rows.base import FLOOR, LIMIT, Figure, Row

WRITES = {"block": 4096, "line": 0}
MARK = b"EOF-MARK"
LINES, LINE_GAP_US = 100, 5000


def holds_mark(pattern):
    """Whether the end of the newest log file holds the last line."""
    for path in glob.glob(pattern):
        try:
            with open(path, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 400))
                if MARK in file.read():
                    return True
        except OSError:
            pass
    return False


def seconds_until_mark(go, pattern, timeout=180):
    """Lets the writer go; returns how long it took until its last line could be read."""
    open(go, "w").close()
    begun = time.monotonic()
    while not holds_mark(pattern):
        if time.monotonic() - begun > timeout:
            raise TimeoutError(f"the last line was not in `{pattern}` after {timeout} s")
        time.sleep(0.002)
    return time.monotonic() - begun


def catted(words, folder, timeout=180):
    """`cat > file` in a folder, fed through a pipe by a writer, whose words come with what lets it go; the seconds it took, and
    the CPU of cat."""
    go = f"{folder}/go"
    with open(f"{folder}/log", "wb") as log:
        writer = subprocess.Popen([words[0], go, *words[1:]], stdout=subprocess.PIPE)
        cat = subprocess.Popen(["cat"], stdin=writer.stdout, stdout=log)
    seconds = seconds_until_mark(go, f"{folder}/log", timeout)
    cpu = processes.cpu_seconds([cat.pid])
    for process in (writer, cat):
        process.kill()
        process.wait()
    writer.stdout.close()
    return seconds, cpu


class Capture(Row):
    """MB/s of 100-byte lines from the first write until the last line is in the log; CPU of the host per GB."""

    needs = frozenset(["log"])

    def name_figures(self):
        goals = {"block": {FLOOR: 1.0, "s6": 6}, "line": {FLOOR: 0.95}}
        writes = {"block": "in blocks of 4 KiB", "line": "one write a line"}
        return [figure for way in WRITES for figure in (
            Figure(f"m4.{way}.rate", f"captured lines, {writes[way]}", "MB/s", True, goals[way]),
            Figure(f"m4.{way}.cpu", f"CPU for them, {writes[way]}", "s/GB", checked=False))]

    def size(self, way, host_slow=1):
        return (self.sizes.block_mb if way == "block" else self.sizes.line_mb) * 1_000_000 // min(host_slow, 5)

    def floor(self):
        """`cat > file`, fed by a pipe."""
        found = {}
        for way in WRITES:
            folder = self.scratch.folder("cat")
            size = self.size(way)
            found |= self.figures_of(way, size, *catted([BIN / "emit", str(size), str(WRITES[way])], folder))
            shutil.rmtree(folder)  # few and large: memory matters more here than what deletes cost
        return found

    def host(self, host):
        found = {}
        for way in WRITES:
            with type(host)(self.scratch) as one:
                found |= self.captured(way, one)
            shutil.rmtree(one.root, ignore_errors=True)
        return found

    def captured(self, way, host):
        size, go = self.size(way, host.slow), f"{host.root}/go"
        host.set_up([Job("c0", "continuous", f"exec {BIN}/emit {go} {size} {WRITES[way]}")])
        time.sleep(0.4)
        pids = host.pids()
        before = processes.cpu_seconds(pids)
        seconds = seconds_until_mark(go, host.log_files("c0"))
        return self.figures_of(way, size, seconds, processes.cpu_seconds(pids) - before)

    def figures_of(self, way, size, seconds, cpu):
        return {f"m4.{way}.rate": size / 1e6 / seconds, f"m4.{way}.cpu": cpu / (size / 1e9)}


class Delay(Row):
    """M4b: a line every 5 ms; from the write until it can be read in the log."""

    needs = frozenset(["log"])

    def name_figures(self):
        return [Figure("m4b.p50", "line written to readable in the log, median", "us", goals={FLOOR: 1.25}),
                Figure("m4b.p99", "line written to readable in the log, 99th percentile", "us", bound=2000, checked=False)]

    def read(self, path):
        words = [BIN / "taillat", path, str(LINES), "20000"]
        lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        late = [int(ns) / 1e3 for ns in lines]
        return {"m4b.p50": percentile(late, 0.5), "m4b.p99": percentile(late, 0.99)}

    def floor(self):
        folder = self.scratch.folder("cat")
        with open(f"{folder}/log", "wb") as log:
            emit = subprocess.Popen([BIN / "latemit", str(LINES), str(LINE_GAP_US)], stdout=subprocess.PIPE)
            cat = subprocess.Popen(["cat"], stdin=emit.stdout, stdout=log)
        found = self.read(f"{folder}/log")
        for process in (emit, cat):
            process.kill()
            process.wait()
        emit.stdout.close()
        return found

    def host(self, host):
        with host:
            host.set_up([Job("c0", "continuous", f"exec {BIN}/latemit {LINES} {LINE_GAP_US}")])
            return self.read(self.log_of(host))

    def log_of(self, host):
        """The log's one file; a host that stamps its start has it at once, others with the first line."""
        pattern = host.log_files("c0")
        end = time.monotonic() + 5
        while time.monotonic() < end and not (found := glob.glob(pattern)):
            time.sleep(0.01)
        return found[0]
