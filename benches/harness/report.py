"""The tables: on the terminal, and in docs/performance.md."""
import math

from harness.numbers import percentile, show, show_spread
from harness.results import OURS

HEAD = """# Performance

Written by `benches/run`; `benches/run{arguments}` measures every row on your machine. A cell is minimum / **median** / maximum over some
turns. Read ratios, never absolutes: a ratio is webjobd's figure divided by the other's of the same turn, above 1 is better where
more is better. *limit(C)* is `benches/c/limithost.c`, a host with nothing but the work itself; *floor* the bare system calls
(`benches/c/floor.c`, `cat`). What each row is: [benches/README.md](../benches/README.md). The last column tells when a row was
measured, the beginning of the program's SHA-256, how many turns there were, and whether others used much of the machine meanwhile.
"""

GROWTH = """## How cost grows

Medians by size; ratios are those of the largest size. *Growth* is the exponent between one size and the next: 0 does not grow, 1
grows as the size does. **!** marks what grows faster than n log n. Small exponents of small values are noise.
"""
SLACK = 0.15
"""So much of an exponent is left to noise."""


def _verdict(figure, other, ratio):
    goal = figure.goals.get(other)
    if goal is None:
        return ""
    met = ratio[1] >= goal if figure.more_is_better else ratio[1] <= goal
    sign = ">=" if figure.more_is_better else "<="
    return f"{sign} {show(goal)}: {'met' if met else 'missed'}"


def _bound(figure, spread):
    if figure.bound is None:
        return ""
    return f"<= {show(figure.bound)}: {'met' if spread[1] <= figure.bound else 'missed'}"


def title_of(figure):
    """What a figure is called, with its size."""
    size = "" if figure.size is None else f": {figure.size:,}"
    return f"{figure.title}{size}{', ' + figure.unit if figure.unit else ''}"


def lines_of(results, figure):
    """What there is to say of one figure: contestant, its values, webjobd's ratio to it, the target."""
    for who in results.contestants(figure.key):
        spread = results.spread(figure.key, who)
        if who == OURS:
            yield who, spread, None, _bound(figure, spread)
        else:
            ratio = results.ratio(figure.key, who)
            yield who, spread, ratio, _verdict(figure, who, ratio) if ratio else ""


def families(results, figures):
    """Figures that differ in their size only, together, the smallest first."""
    found = {}
    for figure in figures:
        if figure.size is not None and results.contestants(figure.key):
            found.setdefault(figure.family, []).append(figure)
    return [sorted(family, key=lambda figure: figure.size) for family in found.values()]


def growth(results, family, who):
    """The exponent between each size and the next."""
    found = []
    for one, more in zip(family, family[1:]):
        spreads = [results.spread(figure.key, who) for figure in (one, more)]
        if None in spreads or min(spread[1] for spread in spreads) <= 0:
            found.append("–")
            continue
        exponent = math.log(spreads[1][1] / spreads[0][1]) / math.log(more.size / one.size)
        found.append(f"{exponent:.2f}{'!' if exponent > _n_log_n(one.size, more.size) + SLACK else ''}")
    return ", ".join(found)


def _n_log_n(one, more):
    """The exponent of n log n between two sizes."""
    one, more = max(one, 2), max(more, 3)
    return 1 + math.log(math.log(more) / math.log(one)) / math.log(more / one)


def print_figures(results, figures):
    """Prints what is known of some figures."""
    for figure in figures:
        if not results.contestants(figure.key):
            continue
        print(f"\n{figure.key}  {title_of(figure)} ({'more' if figure.more_is_better else 'less'} is better)")
        for who, spread, ratio, target in lines_of(results, figure):
            against = f"ratio {show_spread(ratio)}" if ratio else ""
            print(f"  {who:<12} {show_spread(spread):<28} {against:<30} {target}", flush=True)
    for family in families(results, figures):
        if len(family) > 1:
            said = "; ".join(f"{who} {growth(results, family, who)}" for who in results.contestants(family[-1].key))
            print(f"{family[0].family}  growth: {said}", flush=True)


def _bold(spread):
    return "–" if spread is None else "{} / **{}** / {}".format(*map(show, spread))


def _taken(results, key):
    taken = results.taken.get(key, {})
    turns = max(map(len, results.values[key].values()))
    return ", ".join([taken.get("date", ""), taken.get("binary", "")[:8], f"{turns}{', noisy' if results.is_noisy(key) else ''}"])


def _main_table(results):
    rows = ["| | | value | webjobd's ratio to it | target | measured |", "| --- | --- | --- | --- | --- | --- |"]
    for figure in results.figures.values():
        if figure.size is not None and figure.bound is None or not results.contestants(figure.key):
            continue
        title, taken = f"**{figure.row.upper()}** {title_of(figure)}", _taken(results, figure.key)
        for who, spread, ratio, target in lines_of(results, figure):
            rows.append(f"| {title} | {who} | {_bold(spread)} | {'' if who == OURS else _bold(ratio)} | {target} | {taken} |")
            title = taken = ""
    return "\n".join(rows) + "\n"


def _growth_table(results, group):
    """Families that were measured with the same sizes."""
    sizes = [figure.size for figure in group[0]]
    rows = [f"| | | {' | '.join(f'{size:,}' for size in sizes)} | growth | ratio | measured |", f"| --- | --- {'| ---: ' * len(sizes)}| --- | --- | --- |"]
    for family in group:
        last = family[-1]
        title = f"{last.title}{', ' + last.unit if last.unit else ''}"
        taken = _taken(results, last.key)
        for who in results.contestants(last.key):
            medians = [results.spread(figure.key, who) for figure in family]
            cells = " | ".join("–" if spread is None else show(spread[1]) for spread in medians)
            ratios = results.ratios(last.key, who) if who != OURS else []
            ratio = show(percentile(ratios, 0.5)) if ratios else ""
            rows.append(f"| {title} | {who} | {cells} | {growth(results, family, who)} | {ratio} | {taken} |")
            title = taken = ""
    return "\n".join(rows) + "\n"


def _growth_tables(results):
    groups = {}
    for family in families(results, results.figures.values()):
        groups.setdefault((family[0].row, tuple(figure.size for figure in family)), []).append(family)
    return [_growth_table(results, group) for group in groups.values()]


def markdown(results, about, arguments):
    """The whole page."""
    parts = [HEAD.format(arguments=arguments)]
    parts.append("\n".join(f"* {name}: {value}" for name, value in about.items()) + f"\n\n{results.noisy()}\n")
    parts.append(_main_table(results))
    if tables := _growth_tables(results):
        parts += [GROWTH, *tables]
    if remarks := [text for texts in results.remarks.values() for text in texts]:
        parts.append("What was not measured, or not as planned:\n\n" + "\n".join(f"* {text}" for text in remarks) + "\n")
    return "\n".join(parts)
