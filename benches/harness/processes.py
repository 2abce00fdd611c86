"""Processes as /proc shows them: who descends from whom, what they cost, and how to end them without asking others."""
import ctypes
import os
import resource
import select
import signal
import time

TICK = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Makes orphans of measured hosts our children, so that they can be found, ended and reaped."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def fields(pid):
    """The fields of /proc/PID/stat after the name, or None for a process that is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def numbers():
    """All process ids."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def alive(pid):
    """Whether a process exists and is no zombie."""
    stat = fields(pid)
    return stat is not None and stat[0] != "Z"


class Ends:
    """The ends of processes, told by the kernel: whoever looks for them again and again takes a processor from who is measured."""

    def __init__(self, pids):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.files = [file for pid in pids if (file := self._open(pid)) is not None]

    @staticmethod
    def _open(pid):
        try:
            return os.pidfd_open(pid)
        except ProcessLookupError:
            return None

    @staticmethod
    def _ended(file, seconds):
        poll = select.poll()
        poll.register(file, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def wait(self, timeout):
        """Waits until all have ended; returns how many have not."""
        end = time.monotonic() + timeout
        # One after the other: those that ended meanwhile cost nothing, and who lives longest is waited for once.
        return sum(not self._ended(file, end - time.monotonic()) for file in self.files)

    def close(self):
        """Lets go of them."""
        for file in self.files:
            os.close(file)


def descendants(*roots):
    """The processes below `roots`, these included."""
    children = {}
    for pid in numbers():
        if stat := fields(pid):
            children.setdefault(int(stat[1]), []).append(pid)
    found, left = [], list(roots)
    while left:
        pid = left.pop()
        found.append(pid)
        left += children.get(pid, [])
    return found


def name_of(pid):
    """The short name of a process, or an empty text."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def reap():
    """Takes the exit codes of all children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_all(timeout=10):
    """Kills everything that descends from this process, each by its number."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        left = [pid for pid in descendants(os.getpid()) if pid != os.getpid() and alive(pid)]
        if not left:
            break
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.01)
        reap()
    reap()


def _sum_of_lines(path, begin):
    try:
        with open(path) as file:
            return sum(int(line.split()[1]) for line in file if begin in line)
    except OSError:
        return 0


def proportional_kib(pids):
    """Memory of processes; pages they share count once."""
    return sum(_sum_of_lines(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids)


def peak_kib(pids):
    """The most memory that processes ever had, pages they share counted for each."""
    return sum(_sum_of_lines(f"/proc/{pid}/status", "VmHWM:") for pid in pids)


def _threads(pids):
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                yield f"/proc/{pid}/task/{thread}"
        except OSError:
            pass


def _cpu_ns(thread):
    try:
        with open(f"{thread}/schedstat") as file:
            return int(file.read().split()[0])
    except OSError:
        return 0


def cpu_seconds(pids):
    """Processor time of living threads, to the nanosecond. Children do not count."""
    return sum(_cpu_ns(thread) for thread in _threads(pids)) / 1e9


class Watched:
    """What processes do from now on, thread by thread: one that ends takes its sums with it, and must not count against others."""

    def __init__(self, pids):
        self.pids, self.begun, self.before = pids, time.monotonic(), self._look(pids)

    @staticmethod
    def _look(pids):
        return {thread: (_cpu_ns(thread), _sum_of_lines(f"{thread}/status", "ctxt_switches:")) for thread in _threads(pids)}

    def rates(self):
        """Milliseconds of processor time and context switches, each a second, of the threads that still live."""
        seconds, cpu, switches = time.monotonic() - self.begun, 0, 0
        for thread, (ns, times) in self._look(self.pids).items():
            ns_before, times_before = self.before.get(thread, (0, 0))
            # One that ended between the two files reads as zero.
            cpu, switches = cpu + max(0, ns - ns_before), switches + max(0, times - times_before)
        return cpu / 1e6 / seconds, switches / seconds


KERNEL = 2
"""The parent of the kernel's threads, which work for whoever asks for something: for what is measured, mostly."""


def foreign_cpu_seconds():
    """Processor time of all programs that do not descend from this one, and what the hypervisor gave to others."""
    ours = set(descendants(os.getpid()))
    stats = (fields(pid) for pid in numbers() if pid not in ours)
    used = sum(sum(map(int, stat[11:15])) for stat in stats if stat and int(stat[1]) != KERNEL)
    with open("/proc/stat") as file:
        stolen = int(file.readline().split()[8])
    return (used + stolen) / TICK
