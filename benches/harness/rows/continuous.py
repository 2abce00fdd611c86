"""M3 and M7: continuous jobs that crash, and such that are dropped in."""
import time

from harness.hosts.base import Job, idle_jobs
from harness.rows.base import LIMIT, Figure, Row, tail
from harness.rows.runs import floor_starts
from harness.stamps import Stamps

LIVED_MS = 20


class Restart(Row):
    """M3: last act of a job that crashes in a loop; first instruction of the next, with a restart delay of 0."""

    needs = frozenset(["continuous"])

    def name_figures(self):
        return [Figure("m3.p50", "crash to next first instruction, median", "us", goals={LIMIT: 1.15, "pm2": 0.29}),
                Figure("m3.p99", "crash to next first instruction, 99th percentile", "us", checked=False)]

    def floor(self):
        return tail("m3", floor_starts(self.scratch, self.sizes.samples))

    def host(self, host):
        stamps = Stamps(self.scratch)
        with host:
            host.set_up([Job("c0", "continuous", stamps.script("c0", LIVED_MS, 1))])
            stamps.wait_for(1)
            time.sleep(0.2)
            stamps.clear()
            # Hosts that wait a second or so between two starts need longer for a few samples.
            time.sleep(self.sizes.restarts_seconds * (1 if host.slow == 1 else 3))
            return tail("m3", self.gaps(stamps.read()))

    def gaps(self, acts):
        pairs = [(one, next_one) for one, next_one in zip(acts, acts[1:]) if (one.what, next_one.what) == ("E", "S")]
        if not pairs:
            raise RuntimeError("nothing was restarted")
        return [(next_one.ns - one.ns) / 1e3 for one, next_one in pairs]


def dropped(host, stamps, k):
    """Moves a job's folder in, after `k` others and one that was there; returns the us until its first instruction."""
    job = Job(f"d{k}", "continuous", stamps.script(f"d{k}", -1), logged=False)
    begun = host.drop(job, time.time_ns)
    late = (stamps.wait_after(k + 1).ns - begun) / 1e3
    time.sleep(host.gap)
    return late


class Drop(Row):
    """M7: a finished folder is moved in by one rename; first instruction of its job."""

    needs = frozenset(["drop"])

    def name_figures(self):
        return [Figure("m7.p50", "rename of a folder to first instruction, median", "us", goals={LIMIT: 1.2}),
                Figure("m7.p99", "rename of a folder to first instruction, 99th percentile", "us", bound=5000, checked=False)]

    def floor(self):
        return tail("m7", floor_starts(self.scratch, self.sizes.drops))

    def host(self, host):
        stamps = Stamps(self.scratch)
        with host:
            host.set_up(idle_jobs(stamps, 1))
            stamps.wait_for(1)
            time.sleep(0.3)
            return tail("m7", [dropped(host, stamps, k) for k in range(max(5, self.sizes.drops // host.slow))])
