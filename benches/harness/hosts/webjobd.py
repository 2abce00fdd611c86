"""webjobd, and the limit that speaks as much of its language as is measured."""
import base64
import functools
import http.client
import json
import os
import shutil
import socket
import subprocess

from harness import build
from harness.hosts.base import Host
from harness.place import BIN, put


def free_port():
    """A port of this machine that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Limit(Host):
    """benches/c/limithost.c."""

    name = "limit(C)"
    can = frozenset(["triggered", "continuous", "log", "drop", "schedule", "status", "many", "waits"])
    status_path = "/api/webjobs"

    def __init__(self, scratch, on_disk=False):
        super().__init__(scratch, on_disk)
        self.port = free_port()
        for kind in ("continuous", "triggered"):
            os.makedirs(f"{self.root}/jobs/{kind}")

    def folder(self, job):
        """Where a job belongs."""
        return f"{self.root}/jobs/{job.kind}/{job.name}"

    def add(self, job, folder=None):
        """Writes a job's folder."""
        folder = folder or self.folder(job)
        if job.every:
            put(f"{folder}/settings.job", json.dumps({"schedule": f"*/{job.every} * * * * *"}))
        put(f"{folder}/run.sh", job.script(), 0o755)
        return folder

    def command(self):
        """How the host is started."""
        return [str(BIN / "limithost"), self.root, str(self.port)]

    def is_ready(self):
        """It says so with a file."""
        return os.path.exists(f"{self.root}/data/ready")

    def drop(self, job, now):
        """Moves a finished folder in with one rename; returns the time just before."""
        made = self.add(job, f"{self.root}/staging/{job.name}")
        begun = now()
        os.rename(made, self.folder(job))
        return begun

    def client(self, program, *arguments):
        """Runs one of the C clients against the host; returns the words of each line."""
        words = [str(BIN / program), str(self.port), *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, env=self.environment, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout} {done.stderr}")
        return [line.split() for line in done.stdout.splitlines()]

    def run_many(self, count, at_once, waits):
        """As told by the base class; threads of Python would be slower than the host."""
        return float(self.client("triggers", count, at_once, "w", "wait" if waits else "poll")[0][2])

    def requested_at(self, job, count, gap):
        """Requests runs, `gap` seconds apart; returns the ns at which each was sent that was taken, and how many were not."""
        answers = self.client("requests", "POST", f"/api/triggeredwebjobs/{job}/run", count, int(gap * 1e6))
        taken = [int(answer[0]) for answer in answers if answer[2] == "202"]
        # A request that comes while the run before it still ends is refused (409) and starts nothing.
        if len(taken) < 0.9 * count - 1:
            raise RuntimeError(f"{self.name}: {count - len(taken)} of {count} requests were refused")
        return taken, count - len(taken)

    def status_ms(self, count):
        """How long the list of all jobs takes, `count` times."""
        answers = self.client("requests", "GET", self.status_path, count, 1000)
        if any(answer[2] != "200" for answer in answers):
            raise RuntimeError(f"{self.name}: status was answered {answers[0][2]}")
        return [float(answer[1]) / 1e3 for answer in answers]

    def log_files(self, job):
        """A pattern of the files that may hold the newest output of a continuous job."""
        return f"{self.root}/data/continuous/{job}.log"


class Webjobd(Limit):
    """The program itself, over its real API, with records, logs and history on."""

    name = "webjobd"
    can = Limit.can | {"history", "scale", "search"}

    def command(self):
        """How the host is started; working copies belong on the same file system as the rest, in a folder with a name of its own."""
        place = ["--root", self.root, "--temp", f"{self.root}/temp-{'-'.join(self.root.split('/')[-2:])}"]
        return [binary(), "serve", *place, "--listen", f"127.0.0.1:{self.port}"]

    def start(self):
        """Restarts crashed jobs at once, as the limit does."""
        self.environment["WEBJOBS_RESTART_TIME"] = "0"
        super().start()

    def is_ready(self):
        """It says so itself, once all folders have been read."""
        try:
            asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            asked.request("GET", "/readyz")
            return asked.getresponse().status == 200
        except OSError:
            return False

    def wait_until_ready(self, timeout=120):
        """Lets the clients log in as well."""
        super().wait_until_ready(timeout)
        with open(f"{self.root}/data/webjobd/credentials", "rb") as file:
            secret = base64.b64encode(file.read().strip()).decode()
        self.environment["HTTP_HEADERS"] = f"Authorization: Basic {secret}\r\n"

    def log_files(self, job):
        """The log and its rolled parts."""
        return f"{self.root}/data/jobs/continuous/{job}/job_log*.txt"


@functools.cache
def binary():
    """The path of the program, built now unless it was given."""
    found = build.webjobd()
    if not shutil.which(found):
        raise FileNotFoundError(f"no program at `{found}`")
    return found


def version():
    """What `webjobd --version` says."""
    return subprocess.run([binary(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
