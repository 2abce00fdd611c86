"""The tables: on the terminal, and in docs/performance.md."""
from harness.numbers import show, show_spread
from harness.results import OURS

HEAD = """# Performance

Written by `benches/run{arguments}` on {date}; run it for figures of your machine. Every cell is minimum / **median** / maximum
over {reps} runs in turn. Read ratios, never absolutes: a ratio is webjobd's figure divided by the other's of the same turn, above
1 is better where more is better. *limit(C)* is `benches/c/limithost.c`, a host with nothing but the work itself; *floor* the bare
system calls (`benches/c/floor.c`, `cat`). What each row is: [benches/README.md](../benches/README.md).
"""


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


def lines_of(results, figure):
    """What there is to say of one figure: contestant, its values, webjobd's ratio to it, the target."""
    for who in results.contestants(figure.key):
        spread = results.spread(figure.key, who)
        if who == OURS:
            yield who, spread, None, _bound(figure, spread)
        else:
            ratio = results.ratio(figure.key, who)
            yield who, spread, ratio, _verdict(figure, who, ratio) if ratio else ""


def print_figures(results, figures):
    """Prints what is known of some figures."""
    for figure in figures:
        if not results.contestants(figure.key):
            continue
        print(f"\n{figure.key}  {figure.title}, {figure.unit or 'count'} ({'more' if figure.more_is_better else 'less'} is better)")
        for who, spread, ratio, target in lines_of(results, figure):
            against = f"ratio {show_spread(ratio)}" if ratio else ""
            print(f"  {who:<12} {show_spread(spread):<28} {against:<30} {target}", flush=True)


def _bold(spread):
    return "–" if spread is None else "{} / **{}** / {}".format(*map(show, spread))


def markdown(results, about, arguments, reps, date):
    """The whole page."""
    parts = [HEAD.format(arguments=arguments, date=date, reps=reps)]
    parts.append("\n".join(f"* {name}: {value}" for name, value in about.items()) + f"\n\n{results.noisy()}\n")
    rows = ["| | | value | webjobd's ratio to it | target |", "| --- | --- | --- | --- | --- |"]
    for figure in results.figures.values():
        title = f"**{figure.row.upper()}** {figure.title}{', ' + figure.unit if figure.unit else ''}"
        for who, spread, ratio, target in lines_of(results, figure):
            rows.append(f"| {title} | {who} | {_bold(spread)} | {'' if who == OURS else _bold(ratio)} | {target} |")
            title = ""
    parts.append("\n".join(rows) + "\n")
    if results.failures:
        parts.append("Not measured:\n\n" + "\n".join(f"* {failure}" for failure in results.failures) + "\n")
    return "\n".join(parts)
