"""pm2: its daemon, started and stopped by its command line, asked over its API by a client within Node."""
import json
import subprocess
import time

from harness import processes
from harness.hosts.base import Host
from harness.place import BENCHES, PEERS, put

MODULES = PEERS / "node" / "node_modules"


class Pm2(Host):
    """One app for each job; restarts without delay. It runs every app once when it learns of it, requested ones too."""

    name = "pm2"
    program = MODULES / ".bin" / "pm2"
    can = frozenset(["triggered", "continuous", "log", "drop", "status"])
    slow = 5

    def __init__(self, scratch):
        super().__init__(scratch)
        self.apps = []
        self.asked = None
        self.environment |= {"PM2_HOME": f"{self.root}/home", "PM2_DISCRETE_MODE": "true", "NO_UPDATE_NOTIFIER": "1"}

    @staticmethod
    def version():
        """What its package says."""
        return json.loads((MODULES / "pm2" / "package.json").read_text())["version"]

    def app(self, job):
        """Writes a job's script; returns its description."""
        script = f"{self.root}/scripts/{job.name}"
        put(script, job.script(), 0o755)
        log = f"{self.root}/{job.name}.log" if job.logged else "/dev/null"
        return {
            "name": job.name, "script": script, "interpreter": "none", "autorestart": job.kind == "continuous",
            "max_restarts": 10**9, "restart_delay": 0, "pmx": False, "vizion": False, "out_file": log, "error_file": log,
            "merge_logs": True, "log_date_format": "YYYY-MM-DDTHH:mm:ss.SSS"}

    def add(self, job):
        self.apps.append(self.app(job))

    def command(self):
        put(f"{self.root}/all.config.js", "module.exports = " + json.dumps({"apps": self.apps}))
        return [str(self.program), "start", f"{self.root}/all.config.js"]

    def is_ready(self):
        """The command that starts the daemon has ended."""
        return self.process.poll() is not None

    def ask(self, line):
        """Has the client ask something of the daemon."""
        if not self.asked:
            time.sleep(1)  # the first run of every app is over by then
            self.asked = subprocess.Popen(
                ["node", BENCHES / "node" / "pm2.js", MODULES / "pm2"], env=self.environment, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True, bufsize=1)
            self.expect_ok("connect")
        self.asked.stdin.write(line + "\n")
        self.expect_ok(line)

    def expect_ok(self, what):
        if (answer := self.asked.stdout.readline().strip()) != "ok":
            raise RuntimeError(f"pm2: {what}: {answer}")

    def trigger(self, job):
        self.ask(f"run {job}")

    def run_many(self, count, at_once, _waits):
        self.ask("list")
        begun = time.monotonic()
        self.ask(f"many {count} {','.join(f'w{k}' for k in range(at_once))}")
        return time.monotonic() - begun

    def status_ms(self, count):
        return [self.list_all() for _ in range(min(count, 5))]

    def list_all(self):
        begun = time.monotonic()
        self.ask("list")
        return (time.monotonic() - begun) * 1e3

    def drop(self, job, now):
        """Tells the daemon of a new app."""
        described = f"{self.root}/{job.name}.json"
        put(described, json.dumps(self.app(job)))
        self.ask("list")
        begun = now()
        self.ask(f"add {described}")
        return begun

    def daemon(self):
        try:
            with open(f"{self.root}/home/pm2.pid") as file:
                return int(file.read())
        except (OSError, ValueError):
            return None

    def pids(self):
        found = self.daemon()
        return [found] if found and processes.alive(found) else [self.process.pid]

    def ask_to_stop(self):
        subprocess.Popen([self.program, "kill"], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        super().kill()
        if self.asked:
            self.asked.stdin.close()
            self.asked.stdout.close()
            self.asked.wait()

    def log_files(self, job):
        return f"{self.root}/{job}.log"
