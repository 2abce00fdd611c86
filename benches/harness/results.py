"""What was measured: values, ratios of pairs taken in the same turn, and what disturbed them. Kept for later tables."""
import json
from dataclasses import dataclass, field

from harness.machine import NOISY_CORES
from harness.numbers import spread
from harness.place import KEPT

OURS = "webjobd"


@dataclass
class Results:
    """Values by figure, contestant and turn."""

    figures: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)
    noise: dict = field(default_factory=dict)
    """Cores that others used, as `values`."""
    taken: dict = field(default_factory=dict)
    """When and of which program each figure was taken."""
    remarks: dict = field(default_factory=dict)
    """What was not measured, or not all of it, by the number of a row."""

    def name(self, figures):
        """Makes figures known, in their order."""
        self.figures |= {figure.key: figure for figure in figures}

    def add(self, turn, who, found, cores):
        """Keeps what one measurement found."""
        for key, value in found.items():
            if key in self.figures:
                self.values.setdefault(key, {}).setdefault(who, {})[turn] = value
                self.noise.setdefault(key, {}).setdefault(who, {})[turn] = cores

    def remark(self, row, text):
        """Keeps a sentence on a row."""
        self.remarks.setdefault(row, []).append(text)

    def contestants(self, key):
        """Who has values for a figure, in the order in which they were measured."""
        return list(self.values.get(key, {}))

    def spread(self, key, who):
        """Minimum, median, maximum of one contestant, or None."""
        values = self.values.get(key, {}).get(who)
        return spread(values.values()) if values else None

    def ratios(self, key, other, most_cores=None):
        """webjobd's value divided by another's, of each turn that has both; of the quiet ones if `most_cores` is given."""
        ours, theirs = (self.values.get(key, {}).get(who, {}) for who in (OURS, other))
        return [ours[turn] / theirs[turn] for turn in ours if theirs.get(turn) and self.is_quiet(key, (OURS, other), turn, most_cores)]

    def is_quiet(self, key, contestants, turn, most_cores):
        """Whether others used little of the machine meanwhile."""
        return most_cores is None or all(self.noise[key][who][turn] <= most_cores for who in contestants)

    def ratio(self, key, other):
        """Minimum, median, maximum of the ratios, or None."""
        ratios = self.ratios(key, other)
        return spread(ratios) if ratios else None

    def compared(self):
        """All that `--check` compares: name, figure and quiet turns of each ratio, and of each value that has a bound."""
        for key, figure in self.figures.items():
            if not figure.checked or not self.spread(key, OURS):
                continue
            if figure.bound is not None:
                own = self.values[key][OURS].items()
                yield f"{key}", figure, [value for turn, value in own if self.is_quiet(key, (OURS,), turn, NOISY_CORES)]
            for other in self.contestants(key):
                if other != OURS and self.ratio(key, other):
                    yield f"{key} / {other}", figure, self.ratios(key, other, NOISY_CORES)

    def noisy(self):
        """How many measurements others disturbed, and the sentence that says so."""
        cores = [cores for key in self.noise for turns in self.noise[key].values() for cores in turns.values()]
        disturbed = [one for one in cores if one > NOISY_CORES]
        if not disturbed:
            return f"The machine was quiet: others never used more than {NOISY_CORES} cores."
        return (f"The machine was noisy: others used more than {NOISY_CORES} cores in {len(disturbed)} of {len(cores)} values, "
                f"up to {max(disturbed):.1f}.")

    def is_noisy(self, key):
        """Whether others disturbed any value of a figure."""
        return any(cores > NOISY_CORES for turns in self.noise.get(key, {}).values() for cores in turns.values())

    def keep(self, sizes, about, taken):
        """Puts the figures measured now in the place of those kept from before; a row's remarks as well."""
        kept = _read()
        mine = kept.setdefault(sizes, {"about": {}, "figures": {}, "remarks": {}})
        mine["about"] = about
        for key in self.values:
            mine["figures"][key] = {"taken": taken, "values": self.values[key], "noise": self.noise[key]}
        for row in {figure.row for figure in self.figures.values()}:
            mine["remarks"].pop(row, None)
        mine["remarks"] |= self.remarks
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")


def _read():
    try:
        return json.loads(KEPT.read_text())
    except FileNotFoundError:
        return {}


def kept_keys(sizes):
    """The keys of all figures that are kept."""
    return list(_read().get(sizes, {}).get("figures", {}))


def kept(sizes, figures):
    """All that is kept of these figures, and what it was measured on."""
    mine = _read().get(sizes, {"about": {}, "figures": {}, "remarks": {}})
    results = Results()
    results.name(figures)
    for key, found in mine["figures"].items():
        if key in results.figures:
            results.values[key], results.noise[key], results.taken[key] = found["values"], found["noise"], found["taken"]
    results.remarks = mine["remarks"]
    return results, mine["about"]
