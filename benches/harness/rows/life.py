"""M5, M6 and M10: hosts with many jobs, from start to stop."""
import os
import signal
import time

from harness import processes
from harness.hosts.base import Job, idle_jobs
from harness.place import put
from harness.rows.base import LIMIT, Figure, Row
from harness.stamps import Stamps

SETTLE_SECONDS = 1.5

REST_SECONDS = 1.0
"""Between the last write to the jobs' folders and a start that is timed. A folder that was written just now may be half a copy,
and webjobd gives it a quarter of a second; those of a host that starts again have lain there for long."""


class Life(Row):
    """One life with idle continuous jobs: until all run, what they cost while nothing happens, a graceful stop."""

    needs = frozenset(["continuous"])

    def name_figures(self):
        bounds = {10: 5 * 1024, 1000: 9 * 1024}
        idle = [figure for n in self.sizes.idle for figure in (
            Figure(f"m5.memory.{n}", f"memory (PSS), {n} idle jobs", "KiB", bound=bounds.get(n)),
            Figure(f"m5.switches.{n}", f"context switches, {n} idle jobs", "/s", bound=0.2),
            Figure(f"m5.cpu.{n}", f"CPU, {n} idle jobs", "ms/s", bound=0.02, checked=False))]
        n = max(self.sizes.idle)
        start = Figure(f"m6.start.{n}", f"start to the first instruction of the last of {n} jobs", "s",
                       goals={LIMIT: 1.0, "s6": 0.67, "supervisord": 1 / 15})
        stop = Figure(f"m10.stop.{n}", f"graceful stop of {n} jobs", "s",
                      goals={LIMIT: 2.0, "s6": 1 / 2.4, "supervisord": 1 / 13})
        return [*idle, start, stop]

    def floor(self):
        """A loop of posix_spawn, a loop of kill and waitpid."""
        n, stamps = max(self.sizes.idle), Stamps(self.scratch)
        script = f"{stamps.path.parent}/run.sh"
        put(script, f"#!/bin/sh\n{stamps.script('$$', -1)}\n", 0o755)
        begun = time.time_ns()
        pids = [os.posix_spawn(script, [script], os.environ) for _ in range(n)]
        started = max(stamp.ns for stamp in stamps.wait_for(n)) - begun
        begun = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        for pid in pids:
            os.waitpid(pid, 0)
        return {f"m6.start.{n}": started / 1e9, f"m10.stop.{n}": time.monotonic() - begun}

    def host(self, host):
        found = {}
        for n in self.sizes.idle:
            with type(host)(self.scratch) as one:
                found |= self.life(one, n)
        return found

    def life(self, host, n):
        stamps = Stamps(self.scratch)
        host.lay_out(idle_jobs(stamps, n))
        time.sleep(REST_SECONDS)
        begun = time.time_ns()
        host.start()
        starts = stamps.wait_for(n, timeout=240)
        host.wait_until_ready()
        found = {f"m6.start.{n}": (max(stamp.ns for stamp in starts) - begun) / 1e9}
        time.sleep(SETTLE_SECONDS)
        found |= self.idle(host, n, {stamp.pid for stamp in starts})
        found[f"m10.stop.{n}"] = host.stop({stamp.pid for stamp in starts})
        return found

    def idle(self, host, n, children):
        pids = [pid for pid in host.pids() if pid not in children]
        watched = processes.Watched(pids)
        time.sleep(self.sizes.idle_seconds)
        cpu, switches = watched.rates()
        return {f"m5.memory.{n}": processes.proportional_kib(pids), f"m5.switches.{n}": switches, f"m5.cpu.{n}": cpu}


class ManyFolders(Row):
    """M6, second part: triggered jobs that nobody asks for; until the host is ready."""

    needs = frozenset(["many"])
    floors = ()

    def name_figures(self):
        n = self.sizes.folders
        full = n == 10_000
        return [Figure(f"m6.folders.{n}", f"start with {n:,} triggered folders to ready", "s", bound=0.25 if full else None),
                Figure(f"m6.memory.{n}", f"memory (PSS) with {n:,} triggered folders", "KiB", bound=12 * 1024 if full else None)]

    def host(self, host):
        n = self.sizes.folders
        with host:
            host.lay_out([Job(f"t{k}", "triggered", "echo hi", logged=False) for k in range(n)])
            time.sleep(REST_SECONDS)
            begun = time.monotonic()
            host.start()
            host.wait_until_ready()
            ready = time.monotonic() - begun
            time.sleep(SETTLE_SECONDS)
            return {f"m6.folders.{n}": ready, f"m6.memory.{n}": processes.proportional_kib(host.pids())}
