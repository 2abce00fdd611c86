"""s6 and runit: a tree of small supervisors, told what to do through FIFOs."""
import os
import subprocess
import time
from pathlib import Path

from harness import processes
from harness.hosts.base import Host
from harness.place import PEERS, put

ROOT = PEERS / "root" / "usr"
SUPERVISORS = {"s6-svscan", "s6-supervise", "s6-log", "runsvdir", "runsv", "svlogd"}


class S6(Host):
    """One s6-supervise and, where output is kept, one s6-log for each job."""

    name = "s6"
    program = Path("/usr/bin/s6-svscan")
    can = frozenset(["triggered", "continuous", "log", "drop", "status", "many"])
    slow = 5
    logger = "s6-log n20 s268435455 T"
    pid_field = slice(24, 32)
    """Where the status file holds the number of the job's process; zeros while it is down."""

    def __init__(self, scratch):
        super().__init__(scratch)
        self.scan = f"{self.root}/scan"
        os.makedirs(self.scan)
        self.names = []
        self.environment["PATH"] = f"{ROOT / 'bin'}:{ROOT / 'sbin'}:{self.environment['PATH']}"

    @classmethod
    def version(cls):
        """What the package that holds the program says of itself."""
        words = ["dpkg-query", "-W", "-f", "${Version}", cls.name]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()

    def add(self, job, folder=None):
        """Writes a service folder, with a logger where output is kept."""
        folder = folder or f"{self.scan}/{job.name}"
        put(f"{folder}/run", job.script(both_streams=True), 0o755)
        if job.kind == "triggered":
            put(f"{folder}/down", "")
        if job.logged:
            logs = f"{self.root}/log/{job.name}"
            put(f"{logs}/config", "s1000000000\nn20\n")
            put(f"{folder}/log/run", f"#!/bin/sh\nexec {self.logger} {logs}\n", 0o755)
        self.names.append(job.name)
        return folder

    def command(self):
        return [str(self.program), "-c", "32000", "-t", "0", self.scan]

    def pids(self):
        return [pid for pid in processes.descendants(self.process.pid) if processes.name_of(pid) in SUPERVISORS]

    def is_ready(self):
        """All supervisors have opened their FIFO."""
        return all(self.listens(name) for name in self.names)

    def listens(self, name):
        try:
            os.close(os.open(f"{self.scan}/{name}/supervise/control", os.O_WRONLY | os.O_NONBLOCK))
            return len(self.mark(name)) > 0
        except OSError:
            return False

    def tell(self, fifo, what):
        file = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        os.write(file, what)
        os.close(file)

    def mark(self, job):
        """The status file: it changes with every start and end."""
        try:
            with open(f"{self.scan}/{job}/supervise/status", "rb") as file:
                return file.read()
        except OSError:
            return b""

    def trigger(self, job):
        self.tell(f"{self.scan}/{job}/supervise/control", b"o")

    def wait_for_end(self, job, before):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            now = self.mark(job)
            if now and now != before and not any(now[self.pid_field]):
                return
            time.sleep(0.0002)
        raise TimeoutError(f"{self.name}: {job} did not end")

    def drop(self, job, now):
        """Moves a folder in and asks for a look at it, which s6 does not take by itself."""
        made = self.add(job, f"{self.root}/staging/{job.name}")
        begun = now()
        os.rename(made, f"{self.scan}/{job.name}")
        self.look_again()
        return begun

    def look_again(self):
        """Asks for a look at the folders."""
        self.tell(f"{self.scan}/.s6-svscan/control", b"a")

    def ask_to_stop(self):
        self.tell(f"{self.scan}/.s6-svscan/control", b"t")

    def status_ms(self, count):
        """The status files of all jobs, read one after the other."""
        return [self.read_all() for _ in range(count)]

    def read_all(self):
        begun = time.monotonic()
        for name in self.names:
            self.mark(name)
        return (time.monotonic() - begun) * 1e3

    def log_files(self, job):
        return f"{self.root}/log/{job}/current"


class Runit(S6):
    """It starts a job once a second at most and looks for new folders every five."""

    name = "runit"
    program = ROOT / "bin" / "runsvdir"
    can = frozenset(["triggered", "continuous", "log", "drop"])
    gap = 1.25
    slow = 100
    logger = "svlogd -tt"
    pid_field = slice(12, 16)

    def command(self):
        return [str(self.program), self.scan]

    @classmethod
    def version(cls):
        """Part of the name of the file that was unpacked."""
        return next(((PEERS / "deb").glob("runit_*.deb")), PEERS / "_").name.split("_")[1]

    def look_again(self):
        """It looks by itself."""

    def ask_to_stop(self):
        """HUP has it pass TERM on to every supervisor."""
        self.process.send_signal(1)
