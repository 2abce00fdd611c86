"""What all hosts have in common."""
import os
import subprocess
import threading
import time
from dataclasses import dataclass

from harness import processes


@dataclass
class Job:
    """A job of any host."""

    name: str
    kind: str
    body: str
    logged: bool = True
    every: int = 0
    """Seconds between due times; 0 without a schedule."""

    def script(self, both_streams=False):
        """The script, with its error stream joined to the other where a host captures only one."""
        return "#!/bin/sh\n" + ("exec 2>&1\n" if both_streams else "") + self.body + "\n"


def idle_jobs(stamps, count, logged=True):
    """Continuous jobs that do nothing."""
    return [Job(f"c{i}", "continuous", stamps.script(f"c{i}", -1), logged) for i in range(count)]


class Host:
    """A host in a folder of its own. Subclasses say `add`, `command`, and whatever their `can` promises."""

    name = "?"
    can = frozenset()
    """Of: triggered, continuous, log, drop, schedule, status, many (10,000 jobs)."""
    gap = 0.03
    """Seconds between two requested runs that the host needs to notice the end of the first."""
    slow = 1
    """How many times fewer runs than webjobd to ask for, so that a measurement ends within seconds."""

    def __init__(self, scratch, on_disk=False):
        self.root = scratch.folder(self.name, on_disk)
        self.process = None
        self.environment = dict(os.environ)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def set_up(self, jobs):
        """Lays out jobs, starts the host and waits until it is ready."""
        self.lay_out(jobs)
        self.start()
        self.wait_until_ready()
        return self

    def lay_out(self, jobs):
        """Writes the jobs where the host looks for them."""
        for job in jobs:
            self.add(job)

    def start(self):
        """Starts the host and returns at once."""
        with open(f"{self.root}/host.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd=self.root,
                start_new_session=True)

    def wait_until_ready(self, timeout=120):
        """Waits until `is_ready`."""
        end = time.monotonic() + timeout
        while not self.is_ready():
            if time.monotonic() > end or self.process.poll() not in (None, 0):
                raise TimeoutError(f"{self.name} did not become ready: {self.complaint()}")
            time.sleep(0.001)

    def settle(self, timeout=600):
        """Waits until the host has been idle for a second; returns the CPU seconds it had used until then."""
        end, used = time.monotonic() + timeout, -1.0
        while time.monotonic() < end:
            now = processes.cpu_seconds(self.pids())
            if now - used < 0.005:
                return now
            used = now
            time.sleep(1.0)
        raise TimeoutError(f"{self.name} was not idle after {timeout} s")

    def complaint(self):
        """The end of what the host printed."""
        with open(f"{self.root}/host.log", errors="replace") as log:
            return log.read()[-300:].strip()

    def pids(self):
        """The host's own processes, without jobs."""
        return [self.process.pid]

    def ask_to_stop(self):
        """Asks for a graceful stop."""
        self.process.terminate()

    def stop(self, jobs, timeout=90):
        """Stops gracefully; returns the seconds until the host and the processes `jobs` are gone."""
        ends = processes.Ends([*self.pids(), *jobs])
        begun = time.monotonic()
        self.ask_to_stop()
        left = ends.wait(timeout)
        if left:
            raise TimeoutError(f"{self.name}: {left} processes left after {timeout} s")
        taken = time.monotonic() - begun
        ends.close()
        self.process.poll()
        processes.reap()
        return taken

    def kill(self):
        """Ends whatever is left of the host and its jobs."""
        processes.end_all()
        if self.process:
            self.process.poll()

    def run_many(self, count, at_once, waits):
        """Has jobs w0, w1, … run, `at_once` at a time, each until its end is recorded; returns the seconds it took."""
        begun, lock, left = time.monotonic(), threading.Lock(), iter(range(count))

        def work(job):
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                before = self.mark(job)
                self.trigger(job)
                self.wait_for_end(job, before)

        workers = [threading.Thread(target=work, args=(f"w{k}",)) for k in range(at_once)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.monotonic() - begun

    def mark(self, job):
        """What tells `wait_for_end` that a run is another one; most need nothing."""
        return None
