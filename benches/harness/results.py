"""What was measured: values, ratios of pairs taken in the same repetition, and what disturbed them."""
from dataclasses import dataclass, field

from harness.machine import NOISY_CORES
from harness.numbers import spread

OURS = "webjobd"


@dataclass
class Results:
    """Values by figure, contestant and repetition."""

    figures: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)
    foreign: list = field(default_factory=list)
    """Cores that other programs used, for each measurement."""
    failures: list = field(default_factory=list)

    def name(self, figures):
        """Makes figures known, in their order."""
        self.figures |= {figure.key: figure for figure in figures}

    def add(self, rep, who, found, cores):
        """Keeps what one measurement found."""
        self.foreign.append(cores)
        for key, value in found.items():
            self.values.setdefault(key, {}).setdefault(who, {})[rep] = value

    def contestants(self, key):
        """Who has values for a figure, in the order in which they were measured."""
        return list(self.values.get(key, {}))

    def spread(self, key, who):
        """Minimum, median, maximum of one contestant, or None."""
        values = self.values.get(key, {}).get(who)
        return spread(values.values()) if values else None

    def ratio(self, key, other):
        """Minimum, median, maximum of webjobd's value divided by another's of the same repetition, or None."""
        ours, theirs = (self.values.get(key, {}).get(who, {}) for who in (OURS, other))
        pairs = [ours[rep] / theirs[rep] for rep in ours if theirs.get(rep)]
        return spread(pairs) if pairs else None

    def compared(self):
        """All that `--check` compares: name, figure and spread of each ratio, and of each value that has a bound."""
        for key, figure in self.figures.items():
            if not figure.checked or not self.spread(key, OURS):
                continue
            if figure.bound is not None:
                yield f"{key}", figure, self.spread(key, OURS)
            for other in self.contestants(key):
                if other != OURS and (ratio := self.ratio(key, other)):
                    yield f"{key} / {other}", figure, ratio

    def noisy(self):
        """How many measurements others disturbed, and the sentence that says so."""
        disturbed = [cores for cores in self.foreign if cores > NOISY_CORES]
        if not disturbed:
            return f"The machine was quiet: others never used more than {NOISY_CORES} cores."
        return (f"The machine was noisy: others used more than {NOISY_CORES} cores in {len(disturbed)} of {len(self.foreign)} "
                f"measurements, up to {max(disturbed):.1f}.")
