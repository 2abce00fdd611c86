"""supervisord, over XML-RPC on its socket."""
import http.client
import os
import socket
import subprocess
import threading
import time
import xmlrpc.client

from harness.hosts.base import Host
from harness.place import PEERS, put

NOT_ENDED = (0, 10, 20)
"""States of a process that was asked for: stopped, starting, running."""


class _Socket(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, _host):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path)
        return connection


class Supervisord(Host):
    """One program section for each job; restarts without limit."""

    name = "supervisord"
    program = PEERS / "venv" / "bin" / "supervisord"
    can = frozenset(["triggered", "continuous", "log", "drop", "status"])
    slow = 10

    def __init__(self, scratch):
        super().__init__(scratch)
        self.config = f"{self.root}/supervisord.conf"
        self.local = threading.local()
        self.jobs = 0
        os.makedirs(f"{self.root}/jobs")

    @classmethod
    def version(cls):
        """What the program says."""
        return subprocess.run([cls.program, "--version"], capture_output=True, text=True, check=True).stdout.strip()

    def add(self, job):
        put(f"{self.root}/scripts/{job.name}", job.script(), 0o755)
        kept = job.kind == "continuous"
        self.jobs += 1
        log = f"{self.root}/{job.name}.log" if job.logged else "NONE"
        put(f"{self.root}/jobs/{job.name}.conf", f"[program:{job.name}]\ncommand={self.root}/scripts/{job.name}\nautostart={kept}\n"
            f"autorestart={kept}\nstartsecs=0\nstartretries=1000000\nstdout_logfile={log}\nstdout_logfile_maxbytes=0\n"
            "redirect_stderr=true\n")

    def command(self):
        # Three files a job, and a few. No more: every start closes as many, used or not.
        files = max(1024, 4 * self.jobs + 200)
        put(self.config, f"[unix_http_server]\nfile={self.root}/s\n[supervisord]\nnodaemon=true\nlogfile={self.root}/own.log\n"
            f"pidfile={self.root}/pid\nminfds={files}\n[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[include]\nfiles={self.root}/jobs/*.conf\n")
        return [str(self.program), "-c", self.config]

    @property
    def ask(self):
        """A connection for each thread."""
        if not hasattr(self.local, "proxy"):
            self.local.proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_Socket(f"{self.root}/s"))
        return self.local.proxy.supervisor

    def is_ready(self):
        try:
            return self.ask.getState()["statecode"] == 1
        except OSError:
            return False

    def trigger(self, job):
        self.ask.startProcess(job, False)

    def wait_for_end(self, job, _before):
        while self.ask.getProcessInfo(job)["state"] in NOT_ENDED:
            time.sleep(0.0005)

    def drop(self, job, now):
        """Writes a section and has the configuration read again."""
        self.add(job)
        begun = now()
        added, _, _ = self.ask.reloadConfig()[0]
        for name in added:
            self.ask.addProcessGroup(name)
        return begun

    def status_ms(self, count):
        return [self.list_all() for _ in range(min(count, 5))]

    def list_all(self):
        begun = time.monotonic()
        self.ask.getAllProcessInfo()
        return (time.monotonic() - begun) * 1e3

    def log_files(self, job):
        return f"{self.root}/{job}.log"
