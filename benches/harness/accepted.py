"""The ratios that were last accepted, and what has become worse since."""
import json

from harness.numbers import show_spread
from harness.place import ACCEPTED

NOISE_LEAST = 0.10
"""Differences below this share of the accepted median are never named: a few runs cannot tell them from chance."""


def accept(results, about):
    """Writes the ratios of a run as the accepted ones."""
    ratios = {name: [round(value, 4) for value in found] for name, _, found in results.compared()}
    ACCEPTED.write_text(json.dumps({"about": about, "ratios": ratios}, indent=1) + "\n")
    print(f"Accepted {len(ratios)} ratios in {ACCEPTED.name}.")


def read():
    """The accepted ratios: minimum, median, maximum by name."""
    return json.loads(ACCEPTED.read_text())["ratios"] if ACCEPTED.exists() else {}


def worse_by(figure, now, then):
    """By how much more than the noise a median became worse; 0 or less where it did not.

    The noise is what both runs show themselves: the distance from their medians to the ends that lie towards each other.
    """
    if figure.more_is_better:
        noise = (now[2] - now[1]) + (then[1] - then[0])
        change = then[1] - now[1]
    else:
        noise = (now[1] - now[0]) + (then[2] - then[1])
        change = now[1] - then[1]
    return change - max(noise, NOISE_LEAST * then[1])


def regressions(results):
    """Names of the ratios that became worse, each with a sentence."""
    then = read()
    found = {}
    for name, figure, now in results.compared():
        if name in then and worse_by(figure, now, then[name]) > 0:
            better = "more" if figure.more_is_better else "less"
            found[name] = f"{name} ({figure.title}): {show_spread(now)}, accepted {show_spread(then[name])}; {better} is better"
    return found
