"""M9, second part: pages of a history of up to a million runs, and a start with it."""
import http.client
import json
import os
import random
import sqlite3
import subprocess
import time

from harness import processes
from harness.hosts.base import Job
from harness.numbers import percentile
from harness.place import BIN
from harness.results import OURS
from harness.rows.base import Figure, Row

JOBS, PAGE = 40, 25
"""So that the smallest history holds one page of each job, and the largest differs in nothing but its length."""
SQLITE, PREAD = "sqlite", "pread"
SAMPLES_A_JOB = 5
FIRST, LAST_SECONDS = "2020-01-01T00:00:00Z", 1577836800

RECORD = {"Trigger": "External - bench", "Status": "Success", "StartTime": FIRST, "EndTime": "2020-01-01T00:00:00.003Z",
          "Outcome": "succeeded", "ExitCode": 0, "DurationMs": 3, "Instance": "bench", "Pid": 29176,
          "Content": "c556ee5bc2b2576f7c2fc061fe62e1c4", "Cause": {"by": "api", "user_agent": "bench"}}
FAILED = RECORD | {"Status": "Failed", "Outcome": "failed", "ExitCode": 1}


class History(Row):
    """A page of 25 runs of any job, the newest and from the middle, over HTTP, as history grows; start, index, memory."""

    needs = frozenset(["history"])
    floors = (SQLITE, PREAD)

    def __init__(self, scratch, sizes):
        super().__init__(scratch, sizes)
        self.filled = {}
        self.stored = {}

    def name_figures(self):
        figures = []
        for n in self.sizes.history:
            is_most = n == 1_000_000
            figures += [
                Figure(f"m9.page.{n}", f"page of {PAGE} runs of a job, runs in history", "ms", size=n, bound=1.0 if is_most else None),
                Figure(f"m9.middle.{n}", "the same from the middle, runs in history", "ms", size=n, bound=1.0 if is_most else None),
                Figure(f"m9.start.{n}", "start to the first page, runs in history", "s", size=n, bound=0.3 if is_most else None),
                Figure(f"m9.settle.{n}", "CPU of the start until nothing is left to do, runs in history", "s", size=n, checked=False),
                Figure(f"m9.memory.{n}", "memory (PSS), runs in history", "KiB", size=n, checked=False),
                Figure(f"m9.index.{n}", "the index on disk, runs in history", "MB", size=n, bound=64 if is_most else None),
                Figure(f"m9.build.{n}", "start until a missing index is built, runs in history", "s", size=n, checked=False)]
        least, most = min(self.sizes.history), max(self.sizes.history)
        if least == most:
            return figures
        return [*figures, Figure("m9.growth", f"page with {most:,} runs in history / with {least:,}", "", bound=1.5)]

    def beside(self, who):
        found = {}
        for n in self.sizes.history:
            ask = self.sqlite(n) if who == SQLITE else self.pread(n)
            late = []
            for k in range(JOBS * SAMPLES_A_JOB):
                begun = time.perf_counter()
                ask(k % JOBS)
                late.append((time.perf_counter() - begun) * 1e3)
            found[f"m9.page.{n}"] = percentile(late, 0.5)
        return found

    def sqlite(self, n):
        """The newest runs of a job from a table of our own."""
        if (SQLITE, n) not in self.stored:
            path = f"{self.scratch.folder(SQLITE)}/history.db"
            db = sqlite3.connect(path)
            db.execute("create table run(id integer primary key, job integer, record text)")
            text = json.dumps(RECORD)
            db.executemany("insert into run values (?, ?, ?)", ((k, k % JOBS, text) for k in range(n)))
            db.execute("create index by_job on run(job, id desc)")
            db.commit()
            self.stored[SQLITE, n] = db
        db = self.stored[SQLITE, n]
        return lambda job: db.execute("select id, record from run where job = ? order by id desc limit ?", (job, PAGE)).fetchall()

    def pread(self, n):
        """Records of one size in one file, each read by its number."""
        size = len(json.dumps(RECORD))
        if (PREAD, n) not in self.stored:
            path = f"{self.scratch.folder(PREAD)}/history"
            with open(path, "wb") as file:
                for _ in range(n // 1000):
                    file.write(json.dumps(RECORD).encode() * 1000)
            self.stored[PREAD, n] = os.open(path, os.O_RDONLY)
        file = self.stored[PREAD, n]
        return lambda job: [os.pread(file, size, (n - JOBS * k - job - 1) * size) for k in range(PAGE)]

    def host(self, host):
        found = {}
        for n in self.sizes.history:
            with type(host)(self.scratch) as one:
                found |= self.of_size(one, n)
        found["m9.growth"] = found[f"m9.page.{max(self.sizes.history)}"] / found[f"m9.page.{min(self.sizes.history)}"]
        return found

    def of_size(self, host, n):
        found = {}
        if n not in self.filled:
            self.fill(host, n)
            self.filled[n] = host.root
            found[f"m9.build.{n}"] = self.build(host)
        host.root = self.filled[n]
        begun = time.monotonic()
        self.start(host)
        self.first_page(host)
        found[f"m9.start.{n}"] = time.monotonic() - begun
        found[f"m9.settle.{n}"] = host.settle()
        found[f"m9.page.{n}"] = self.pages(host, "")
        middle = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(LAST_SECONDS + max(n // 2, PAGE * JOBS)))
        found[f"m9.middle.{n}"] = self.pages(host, f"&until={middle}")
        found[f"m9.memory.{n}"] = processes.proportional_kib(host.pids())
        host.stop([])
        found[f"m9.index.{n}"] = os.path.getsize(self.index(host)) / 1e6
        return found

    def fill(self, host, n):
        """Writes the folders of the runs; the records of a job share two files."""
        host.lay_out([Job(f"t{k}", "triggered", "echo hi") for k in range(JOBS)])
        folder = f"{host.root}/data/jobs/triggered"
        os.makedirs(folder)
        words = [BIN / "history", folder, str(JOBS), str(n), json.dumps(RECORD), json.dumps(FAILED)]
        subprocess.run(words, check=True)

    def start(self, host):
        host.environment |= {"WEBJOBS_HISTORY_SIZE": "100000000", "WEBJOBD_INSTANCE": "bench"}
        host.start()
        host.wait_until_ready()

    def index(self, host):
        return f"{host.root}/data/webjobd/hosts/bench/index.db"

    def build(self, host):
        """Has the index built of the records; it is put in its place when it is complete."""
        begun = time.monotonic()
        self.start(host)
        while not os.path.exists(self.index(host)):
            if time.monotonic() - begun > 600:
                raise TimeoutError("the index was not built in ten minutes")
            time.sleep(0.01)
        built = time.monotonic() - begun
        host.settle()
        host.stop([])
        return built

    def first_page(self, host):
        """Holds an answer to what it must be."""
        asked = http.client.HTTPConnection("127.0.0.1", host.port, timeout=30)
        header = host.environment["HTTP_HEADERS"].partition(": ")
        asked.request("GET", f"/api/v1/jobs/triggered/t0/runs?limit={PAGE}", headers={header[0]: header[2].strip()})
        runs = json.loads(asked.getresponse().read())["runs"]
        if len(runs) != PAGE:
            raise RuntimeError(f"{OURS}: a page of {PAGE} held {len(runs)} runs")

    def pages(self, host, more):
        jobs = list(range(JOBS))
        random.Random(1).shuffle(jobs)
        late = []
        for job in jobs:
            path = f"/api/v1/jobs/triggered/t{job}/runs?limit={PAGE}{more}"
            answers = host.client("requests", "GET", path, SAMPLES_A_JOB, 300)
            if any(answer[2] != "200" for answer in answers):
                raise RuntimeError(f"{OURS}: a page was answered {answers[0][2]}")
            late += [float(answer[1]) / 1e3 for answer in answers]
        return percentile(late, 0.5)
