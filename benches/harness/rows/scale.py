"""How cost grows: with jobs, with followers of one log, with the files of a job's folder."""
import time
from pathlib import Path

from harness import processes
from harness.hosts.base import Job, idle_jobs
from harness.numbers import percentile
from harness.place import BIN, put
from harness.rows.base import Figure, Row
from harness.rows.continuous import dropped
from harness.rows.life import REST_SECONDS
from harness.stamps import Stamps

ONCE_A_YEAR = "0 0 0 1 1 *"
IDLE_SECONDS = 3
LINES, LINE_GAP_US = 100, 5000
DROPS = 11


def family(name, title, unit, sizes, **more):
    """One figure for each size, so that their growth can be told."""
    return [Figure(f"{name}.{n}", title, unit, size=n, checked=False, **more) for n in sizes]


class Jobs(Row):
    """Triggered jobs that each are due once a year, or continuous ones that do nothing."""

    needs = frozenset(["scale"])
    floors = ()
    kind = "triggered"

    def sizes_of(self):
        return self.sizes.jobs

    def name_figures(self):
        sizes, name = self.sizes_of(), f"jobs.{self.kind}"
        return [*family(f"{name}.memory", f"memory (PSS), {self.kind} jobs", "KiB", sizes),
                *family(f"{name}.start", f"start until {'all run' if self.kind == 'continuous' else 'ready'}, {self.kind} jobs", "s", sizes),
                *family(f"{name}.list", f"list with status, {self.kind} jobs", "ms", sizes),
                *family(f"{name}.switches", f"context switches while idle, {self.kind} jobs", "/s", sizes),
                *family(f"{name}.cpu", f"CPU while idle, {self.kind} jobs", "ms/s", sizes)]

    def host(self, host):
        found = {}
        for n in self.sizes_of():
            with type(host)(self.scratch) as one:
                found |= {f"jobs.{self.kind}.{what}.{n}": value for what, value in self.of_size(one, n).items()}
        return found

    def of_size(self, host, n):
        seconds = self.begin(host, n)
        host.settle()
        pids = host.pids()
        watched = processes.Watched(pids)
        time.sleep(IDLE_SECONDS)
        cpu, switches = watched.rates()
        found = {"start": seconds, "memory": processes.proportional_kib(pids), "switches": switches, "cpu": cpu}
        host.status_ms(2)
        return found | {"list": percentile(host.status_ms(10), 0.5)}

    def begin(self, host, n):
        host.lay_out([Job(f"t{k}", "triggered", "echo hi", logged=False) for k in range(n)])
        for k in range(n):
            put(f"{host.root}/jobs/triggered/t{k}/settings.job", f'{{"schedule": "{ONCE_A_YEAR}"}}')
        time.sleep(REST_SECONDS)
        begun = time.monotonic()
        host.start()
        host.wait_until_ready()
        return time.monotonic() - begun


class RunningJobs(Jobs):
    """The same with continuous jobs."""

    kind = "continuous"

    def sizes_of(self):
        return self.sizes.running

    def begin(self, host, n):
        stamps = Stamps(self.scratch)
        host.lay_out(idle_jobs(stamps, n))
        time.sleep(REST_SECONDS)
        begun = time.time_ns()
        host.start()
        starts = stamps.wait_for(n, timeout=240)
        host.wait_until_ready()
        return (max(stamp.ns for stamp in starts) - begun) / 1e9


class CrowdedDrop(Row):
    """A finished folder is moved, by one rename, among those of many triggered jobs; first instruction of its job."""

    needs = frozenset(["scale"])
    floors = ()

    def name_figures(self):
        return family("drops.late", "rename of a folder to first instruction, jobs there", "ms", self.sizes.jobs)

    def host(self, host):
        found = {}
        for n in self.sizes.jobs:
            with type(host)(self.scratch) as one:
                found[f"drops.late.{n}"] = self.of_size(one, n)
        return found

    def of_size(self, host, n):
        stamps = Stamps(self.scratch)
        first = Job("first", "continuous", stamps.script("first", -1), logged=False)
        host.lay_out([first, *(Job(f"t{k}", "triggered", "echo hi", logged=False) for k in range(n))])
        time.sleep(REST_SECONDS)
        host.start()
        host.wait_until_ready()
        stamps.wait_for(1)
        host.settle()
        return percentile([dropped(host, stamps, k) for k in range(DROPS)], 0.5) / 1e3


class Followers(Row):
    """One job prints a line each 5 ms; until it has come to the last of many who follow its log over HTTP."""

    needs = frozenset(["scale"])
    floors = ()

    def name_figures(self):
        sizes = self.sizes.followers
        return [*family("followers.late", "line written to the last follower, median", "us", sizes),
                *family("followers.p99", "line written to the last follower, 99th percentile", "us", sizes),
                *family("followers.cpu", "CPU of the host for a line", "us", sizes)]

    def host(self, host):
        found = {}
        for n in self.sizes.followers:
            with type(host)(self.scratch) as one:
                found |= self.of_size(one, n)
        return found

    def of_size(self, host, n):
        host.set_up([Job("c0", "continuous", f"exec {BIN}/latemit {LINES} {LINE_GAP_US}")])
        pids = host.pids()
        before = processes.cpu_seconds(pids)
        late = host.client("followers", "/api/v1/jobs/continuous/c0/log/stream", n, LINES, 20000)
        cpu = processes.cpu_seconds(pids) - before
        late_us = [int(words[0]) / 1e3 for words in late]
        return {f"followers.late.{n}": percentile(late_us, 0.5), f"followers.p99.{n}": percentile(late_us, 0.99),
                f"followers.cpu.{n}": cpu / LINES * 1e6}


class BigFolder(Row):
    """One continuous job whose folder holds many small files; one of them is written anew."""

    needs = frozenset(["scale"])
    floors = ()
    each = 1000
    """Files of one folder within the job's."""

    def name_figures(self):
        sizes = self.sizes.files
        return [*family("files.start", "start to first instruction, files in the job's folder", "s", sizes),
                *family("files.memory", "memory (PSS), files in the job's folder", "KiB", sizes),
                *family("files.change", "one file changed to first instruction of the restarted job", "s", sizes),
                *family("files.switches", "context switches while idle, files in the job's folder", "/s", sizes)]

    def host(self, host):
        found = {}
        for n in self.sizes.files:
            with type(host)(self.scratch) as one:
                found |= {f"files.{what}.{n}": value for what, value in self.of_size(one, n).items()}
        return found

    def of_size(self, host, n):
        stamps = Stamps(self.scratch)
        job = Job("c0", "continuous", stamps.script("c0", -1))
        host.lay_out([job])
        folder = Path(host.folder(job))
        for k in range(n):
            if k % self.each == 0:
                (folder / f"data{k // self.each}").mkdir()
            (folder / f"data{k // self.each}" / f"file{k}").write_text(f"this is file {k}\n")
        begun = time.time_ns()
        host.start()
        started = stamps.wait_for(1, timeout=300)[0].ns - begun
        host.wait_until_ready()
        host.settle()
        pids = host.pids()
        watched = processes.Watched(pids)
        time.sleep(IDLE_SECONDS)
        _, switches = watched.rates()
        # By now a host has given back what only its start needed.
        memory = processes.proportional_kib(pids)
        begun = time.time_ns()
        (folder / "data0" / "file0").write_text("this is another one\n")
        changed = stamps.wait_after(1, timeout=300).ns - begun
        return {"start": started / 1e9, "memory": memory, "switches": switches, "change": changed / 1e9}
