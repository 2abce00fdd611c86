"""M1 and M2: runs that somebody asks for."""
import os
import subprocess
import time

from harness.hosts.base import Job
from harness.place import BIN, put
from harness.rows.base import FLOOR, Figure, Row, tail
from harness.stamps import Stamps

WAYS = {"wait": "a waiting reply", "poll": "a client that polls"}


def floor_starts(scratch, count, gap=0.003):
    """Bare posix_spawn of a script, from C: us until its first instruction."""
    stamps = Stamps(scratch)
    script = f"{stamps.path.parent}/run.sh"
    put(script, f"#!/bin/sh\n{stamps.script('x')}\n", 0o755)
    words = [BIN / "floor", "times", str(count), str(int(gap * 1e6)), "--", script]
    begun = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return [(stamp.ns - int(ns)) / 1e3 for ns, stamp in zip(begun, stamps.starts())]


class Throughput(Row):
    """M1: requested, run, output kept, end recorded."""

    needs = frozenset(["triggered"])

    def name_figures(self):
        goals = {
            ("wait", 1): {FLOOR: 0.75, "s6": 1.6, "pm2": 6, "supervisord": 22},
            ("poll", 1): {FLOOR: 0.65},
            ("wait", 8): {FLOOR: 0.80, "s6": 1.7, "pm2": 7.5, "supervisord": 21},
            ("poll", 8): {},
        }
        return [Figure(f"m1.{way}.{n}", f"runs, {n} at a time, {WAYS[way]}", "runs/s", True, bounds)
                for (way, n), bounds in goals.items()]

    def floor(self):
        folder = self.scratch.folder("floor")
        put(f"{folder}/run.sh", "#!/bin/sh\necho hi\n", 0o755)
        rates = {}
        for at_once, workers in ((1, 1), (8, os.cpu_count())):
            words = [BIN / "floor", "rate", str(self.sizes.runs), str(workers), folder, "--", f"{folder}/run.sh"]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            rates |= {f"m1.{way}.{at_once}": float(done.stdout) for way in WAYS}
        return rates

    def host(self, host):
        with host:
            host.set_up([Job(f"w{k}", "triggered", "echo hi") for k in range(8)])
            host.run_many(8, 1, True)
            # Only hosts that can hold a reply are asked both ways; to the others it makes no difference.
            ways = WAYS if "waits" in host.can else ["wait"]
            return {f"m1.{way}.{n}": self.rate(host, n, way == "wait") for way in ways for n in (1, 8)}

    def rate(self, host, at_once, waits):
        count = max(4 * at_once, self.sizes.runs * (1 + (at_once > 1)) // host.slow)
        return count / host.run_many(count, at_once, waits)


class Latency(Row):
    """M2: the request is sent; the first instruction of the program that the script becomes."""

    needs = frozenset(["triggered"])

    def name_figures(self):
        best = {FLOOR: 1.25, "s6": 0.77, "pm2": 0.25}
        return [Figure("m2.p50", "request to first instruction, median", "us", goals=best),
                Figure("m2.p99", "request to first instruction, 99th percentile", "us", checked=False)]

    def floor(self):
        return tail("m2", floor_starts(self.scratch, self.sizes.samples))

    def host(self, host):
        stamps = Stamps(self.scratch)
        with host:
            host.set_up([Job("w0", "triggered", stamps.script("w0"))])
            self.latencies(host, stamps, 5)
            self.remarks.clear()
            return tail("m2", self.latencies(host, stamps, max(6, self.sizes.samples // host.slow)))

    def latencies(self, host, stamps, count):
        stamps.clear()
        if hasattr(host, "requested_at"):
            sent, refused = host.requested_at("w0", count, 0.015)
            if refused:
                self.remarks.append(f"{refused} of {count} requests came before the run before them had ended, and were refused")
            time.sleep(0.1)
            begun = [stamp.ns for stamp in stamps.starts()]
        else:
            sent, begun = [], []
            for seen in range(count):
                sent.append(time.time_ns())
                host.trigger("w0")
                begun.append(stamps.wait_after(seen).ns)
                time.sleep(host.gap)
        if len(sent) != len(begun):
            raise RuntimeError(f"{host.name}: {len(begun)} of {len(sent)} runs began")
        return [(late - early) / 1e3 for early, late in zip(sent, begun)]
