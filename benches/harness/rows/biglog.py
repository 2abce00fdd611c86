"""A long log of one job, in rolled and packed parts: its end, its middle, and search beside a good grep."""
import glob
import os
import shutil
import socket
import subprocess
import time

from harness import processes
from harness.hosts.base import Job
from harness.numbers import percentile
from harness.place import BIN, put
from harness.results import OURS
from harness.rows.base import Row
from harness.rows.logs import catted, seconds_until_mark
from harness.rows.scale import family

CAT = "cat"
RARE = 200_000
"""Every so many lines hold the needle."""
PARTS = '{"log": {"max_size": "16MiB", "keep": 1000}}'
PAGE_BYTES = 10_000
SEARCHES = {"none": "no-such-text", "rare": "needle", "regex": "status=500 took 99[0-9] ms"}
SHOWN = {"none": "a text that is nowhere", "rare": "a text in one of 200,000 lines", "regex": "a regular expression, one in 3,300"}


class BigLog(Row):
    """Captured by the host itself, in parts of 16 MiB; packed by it too, except the current file. `cat` writes the
    same text to the same disk beside it, which is not as fast for long as it is at first."""

    needs = frozenset(["search"])

    def __init__(self, scratch, sizes):
        self.grep = "ripgrep" if shutil.which("rg") else "zgrep"
        self.floors = (CAT, self.grep)
        super().__init__(scratch, sizes)
        self.filled = {}

    def name_figures(self):
        sizes = self.sizes.log_mb
        searches = [figure for name, shown in SHOWN.items()
                    for figure in family(f"log.search.{name}", f"search of all of a log (MB), {shown}", "s", sizes)]
        return [*family("log.capture", "capture of a log (MB)", "s", sizes), *family("log.pack", "packing its parts, CPU", "s", sizes),
                *family("log.open", "the newest 100 lines of a log (MB)", "ms", sizes),
                *family("log.page", "a page from anywhere in a log (MB)", "ms", sizes), *searches,
                *family("log.newest", "the newest 3 lines with a rare text in a log (MB)", "ms", sizes),
                *family("log.memory", "most memory (RSS) after all of it, log (MB)", "KiB", sizes)]

    def measure(self, who, hosts):
        if who == CAT:
            return {f"log.capture.{n}": self.copied(n) for n in self.sizes.log_mb}
        found = {}
        for n in self.sizes.log_mb:
            captured = self.fill(hosts[OURS](self.scratch, on_disk=True), n) if n not in self.filled else {}
            if who == OURS:
                with hosts[OURS](self.scratch) as host:
                    found |= captured | self.asked(host, n)
            else:
                found |= self.grepped(n)
        return found

    def fill(self, host, n):
        """Has a job print that much, and waits until all parts are packed."""
        with host:
            go = f"{host.root}/go"
            host.lay_out([Job("c0", "continuous", f"exec {BIN}/logtext {go} {n * 1_000_000} {RARE}")])
            put(f"{host.root}/jobs/continuous/c0/settings.job", PARTS)
            host.start()
            host.wait_until_ready()
            os.sync()
            seconds = seconds_until_mark(go, host.log_files("c0"), timeout=60 + n / 20)
            before, end = processes.cpu_seconds(host.pids()), time.monotonic() + 3600
            while glob.glob(f"{self.logs(host.root)}/job_log.*.txt") and time.monotonic() < end:
                time.sleep(0.5)
            packed = processes.cpu_seconds(host.pids()) - before
            host.stop([])
        # The job must not print once more when the host starts again.
        put(f"{host.root}/jobs/continuous/c0/disable.job", "")
        self.filled[n] = host.root
        return {f"log.capture.{n}": seconds, f"log.pack.{n}": packed}

    def copied(self, n):
        """`cat > file` on the same disk."""
        folder = self.scratch.folder(CAT, on_disk=True)
        os.sync()
        seconds, _ = catted([BIN / "logtext", str(n * 1_000_000), str(RARE)], folder, timeout=60 + n / 20)
        shutil.rmtree(folder)
        return seconds

    def logs(self, root):
        return f"{root}/data/jobs/continuous/c0"

    def asked(self, host, n):
        host.root = self.filled[n]
        host.jobs = 1
        host.start()
        host.wait_until_ready()
        size = sum(os.path.getsize(path) for path in glob.glob(f"{self.logs(host.root)}/job_log*.txt"))
        ends = [int(path.rpartition("-")[2].partition(".")[0]) for path in glob.glob(f"{self.logs(host.root)}/job_log.*.gz")]
        size += max(ends, default=0)
        opened = [self.seconds(host, "log?lines=100", PAGE_BYTES // 2) for _ in range(10)]
        pages = [self.seconds(host, f"log?offset={size * k // 12}", PAGE_BYTES) for k in (7, 2, 9, 4, 6, 1, 10, 5, 3, 8)]
        found = {f"log.open.{n}": percentile(opened, 0.5) * 1e3, f"log.page.{n}": percentile(pages, 0.5) * 1e3}
        newest = [self.seconds(host, f"log/search?q={SEARCHES['rare']}&limit=3") for _ in range(3)]
        found[f"log.newest.{n}"] = percentile(newest, 0.5) * 1e3
        for name, text in SEARCHES.items():
            query = text.replace(" ", "%20").replace("[", "%5B").replace("]", "%5D")
            more = "&regex" if name == "regex" else ""
            found[f"log.search.{name}.{n}"] = self.seconds(host, f"log/search?q={query}{more}&limit=100000&order=newest")
        found[f"log.memory.{n}"] = processes.peak_kib(host.pids())
        host.stop([])
        return found

    def seconds(self, host, what, until=None):
        """Asks, and reads the answer to its end or at least so many bytes of it."""
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", host.port), timeout=600) as asked:
            path = f"/api/v1/jobs/continuous/c0/{what}"
            header = host.environment["HTTP_HEADERS"]
            asked.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}Connection: close\r\n\r\n".encode())
            have, first = 0, b""
            while (piece := asked.recv(1 << 18)) and (until is None or have < until):
                first = first or piece
                have += len(piece)
        if b" 200 " not in first[:20]:
            raise RuntimeError(f"{OURS}: {what}: {first[:100]}")
        return time.monotonic() - begun

    def grepped(self, n):
        files = sorted(glob.glob(f"{self.logs(self.filled[n])}/job_log*.txt*"))
        found = {}
        for name, text in SEARCHES.items():
            words = ["rg", "-z", "--no-config", "-N", "-I"] if self.grep == "ripgrep" else ["zgrep", "-h"]
            words += ["-e" if name == "regex" else "-F", text]
            begun = time.monotonic()
            with open("/dev/null", "w") as nowhere:
                subprocess.run([*words, *files], stdout=nowhere, check=False)
            found[f"log.search.{name}.{n}"] = time.monotonic() - begun
        return found
