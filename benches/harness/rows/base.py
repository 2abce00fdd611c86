"""A row of the table: what is measured of every host in one go, and what the figures are called."""
from dataclasses import dataclass, field

from harness.numbers import percentile

LIMIT, FLOOR = "limit(C)", "floor"


@dataclass(frozen=True)
class Figure:
    """One number that a measurement yields."""

    key: str
    """Begins with the row's number, as in `m1.wait.1`."""
    title: str
    unit: str
    more_is_better: bool = False
    goals: dict = field(default_factory=dict)
    """Bound of webjobd's ratio to others, by their name."""
    bound: float = None
    """Bound of webjobd's own value, where a ratio would say nothing."""
    size: int = None
    """Where figures differ in nothing but how much there is: that. Their key ends in it, and their growth is told."""
    checked: bool = True
    """Whether `--check` compares it; tails of short runs are left out."""

    @property
    def family(self):
        """The key of all figures that differ in their size only."""
        return self.key.rpartition(".")[0]

    @property
    def row(self):
        """The number of the row, as in `m1`."""
        return self.key.partition(".")[0]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    runs: int = 1000
    samples: int = 200
    restarts_seconds: float = 5
    block_mb: int = 1000
    line_mb: int = 200
    idle: tuple = (10, 1000)
    idle_seconds: float = 15
    folders: int = 10_000
    drops: int = 60
    due: tuple = ((1, 1, 12), (100, 2, 5), (1000, 5, 4))
    """Jobs on one second, seconds between due times, due times."""
    listed: int = 1000
    history: tuple = (1000, 100_000, 1_000_000)
    jobs: tuple = (10, 100, 1000, 10_000)
    running: tuple = (10, 100, 1000)
    followers: tuple = (1, 10, 50, 200)
    files: tuple = (100, 1000, 10_000, 100_000)
    log_mb: tuple = (100, 1000)
    quiet_seconds: float = 10


SHORT = Sizes(runs=200, samples=60, restarts_seconds=1, block_mb=200, line_mb=40, idle=(200,), idle_seconds=2,
              folders=2000, drops=20, due=((100, 1, 3),), listed=1000,
              history=(5000,), jobs=(10, 100, 1000), running=(10, 100), followers=(1, 10, 50),
              files=(100, 1000, 10_000), log_mb=(50, 200), quiet_seconds=0)


class Row:
    """Subclasses say what they measure of a host, and of the floor where there is one."""

    needs = frozenset()
    """What a host must be able to do."""
    floors = (FLOOR,)
    """What is measured without a host."""

    def __init__(self, scratch, sizes):
        self.scratch, self.sizes = scratch, sizes
        self.remarks = []
        """What a reader has to know of the measurement that was made last."""
        self.figures = self.name_figures()

    def measure(self, who, hosts):
        """Measures one contestant once; returns values by the key of their figure."""
        return self.beside(who) if who in self.floors else self.host(hosts[who](self.scratch))

    def beside(self, who):
        """Measures one of the `floors`; there is but one unless a row says otherwise."""
        return self.floor()


def tail(key, late_us):
    """Median and 99th percentile of latencies."""
    return {f"{key}.p50": percentile(late_us, 0.5), f"{key}.p99": percentile(late_us, 0.99)}
