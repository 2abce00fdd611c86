"""M8 and M9: many jobs at once, due on one second or asked for their status."""
import time

from harness.hosts.base import Job
from harness.numbers import percentile
from harness.rows.base import LIMIT, Figure, Row
from harness.stamps import Stamps

NS = 10**9
EARLY_NS = NS // 5
"""A start within so much before a due time belongs to it, and is early."""


class Due(Row):
    """M8: the second begins; first instruction of the last job that is due on it."""

    needs = frozenset(["schedule"])
    floors = ()

    def name_figures(self):
        goals = {1: 1.1, 1000: 0.7}
        return [figure for n, _, _ in self.sizes.due for figure in (
            Figure(f"m8.last.{n}", f"due second to the last of {n} first instructions", "ms",
                   goals={LIMIT: goals[n]} if n in goals else {}),
            Figure(f"m8.early.{n}", f"starts before their second, {n} jobs", "", bound=0))]

    def host(self, host):
        found = {}
        for n, every, times in self.sizes.due:
            with type(host)(self.scratch) as one:
                found |= self.due(one, n, every, times)
        return found

    def due(self, host, n, every, times):
        stamps = Stamps(self.scratch)
        host.set_up([Job(f"t{k}", "triggered", stamps.script(f"t{k}"), every=every) for k in range(n)])
        time.sleep(1)
        # From the middle of a period on, so that every one counted is a whole one.
        time.sleep((1.55 - time.time() / every % 1) % 1 * every)
        stamps.clear()
        time.sleep(every * times)
        by_period = {}
        for stamp in stamps.starts():
            period = (stamp.ns + EARLY_NS) // (every * NS)
            by_period.setdefault(period, []).append((stamp.ns - period * every * NS) / 1e6)
        whole = [late for late in by_period.values() if len(late) == n]
        if not whole:
            counts = [len(late) for late in by_period.values()]
            raise RuntimeError(f"{host.name}: at no due time did all {n} jobs begin: {counts}")
        return {f"m8.last.{n}": percentile([max(late) for late in whole], 0.5),
                f"m8.early.{n}": sum(late < 0 for all_late in by_period.values() for late in all_late)}


class Status(Row):
    """M9: the list of all jobs with their status."""

    needs = frozenset(["status"])
    floors = ()

    def name_figures(self):
        n = self.sizes.listed
        return [Figure(f"m9.status.{n}", f"status of {n} jobs", "ms", bound=3.0,
                       goals={LIMIT: 10, "s6": 1 / 3, "supervisord": 1 / 80})]

    def host(self, host):
        n = self.sizes.listed
        with host:
            host.set_up([Job(f"t{k}", "triggered", "echo hi", logged=False) for k in range(n)])
            host.status_ms(3)
            return {f"m9.status.{n}": percentile(host.status_ms(20), 0.5)}
