"""pm2: its daemon, started and stopped by its command line. Requested runs need a client within Node and are left out."""
import json
import subprocess

from harness import processes
from harness.hosts.base import Host
from harness.place import PEERS, put


class Pm2(Host):
    """One app for each job; restarts without delay."""

    name = "pm2"
    program = PEERS / "node" / "node_modules" / ".bin" / "pm2"
    can = frozenset(["continuous", "log"])
    slow = 5

    def __init__(self, scratch):
        super().__init__(scratch)
        self.apps = []
        self.environment |= {"PM2_HOME": f"{self.root}/home", "PM2_DISCRETE_MODE": "true"}

    def add(self, job):
        script = f"{self.root}/scripts/{job.name}"
        put(script, job.script(), 0o755)
        log = f"{self.root}/{job.name}.log" if job.logged else "/dev/null"
        self.apps.append({
            "name": job.name, "script": script, "interpreter": "none", "max_restarts": 10**9, "restart_delay": 0, "pmx": False,
            "vizion": False, "out_file": log, "error_file": log, "log_date_format": "YYYY-MM-DDTHH:mm:ss.SSS"})

    def command(self):
        put(f"{self.root}/all.config.js", "module.exports = " + json.dumps({"apps": self.apps}))
        return [str(self.program), "start", f"{self.root}/all.config.js"]

    def is_ready(self):
        """The command that starts the daemon has ended."""
        return self.process.poll() is not None

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

    def log_files(self, job):
        return f"{self.root}/{job}.log"
