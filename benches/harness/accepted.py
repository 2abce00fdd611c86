"""The ratios that were last accepted, and what has become worse since."""
import json

from harness.numbers import show_spread, spread
from harness.place import ACCEPTED
from harness.verdict import BETTER, UNSURE, WORSE, judge


def accept(results, about):
    """Writes the ratios of all quiet turns as the accepted ones."""
    ratios = {name: sorted(round(value, 4) for value in turns) for name, _, turns in results.compared() if turns}
    ACCEPTED.write_text(json.dumps({"about": about, "ratios": ratios}, indent=1) + "\n")
    print(f"Accepted {len(ratios)} ratios in {ACCEPTED.name}.")


def read():
    """The accepted ratios of each turn, by name."""
    return json.loads(ACCEPTED.read_text())["ratios"] if ACCEPTED.exists() else {}


def verdicts(results):
    """The verdict on each ratio that was accepted once, by its name, and a sentence on it."""
    then, found = read(), {}
    for name, figure, now in results.compared():
        if name in then:
            found[name] = (judge(then[name], now, figure.more_is_better), _sentence(name, figure, then[name], now))
    return found


def _sentence(name, figure, then, now):
    quiet = show_spread(spread(now)) if now else "no quiet turn"
    better = "more" if figure.more_is_better else "less"
    return f"{name} ({figure.title}): {quiet} in {len(now)} turns, accepted {show_spread(spread(then))} in {len(then)}; {better} is better"


def tell(found):
    """Prints what a check found."""
    for word, shown in ((WORSE, "WORSE"), (BETTER, "better"), (UNSURE, "not judged")):
        for verdict, sentence in found.values():
            if verdict == word:
                print(f"{shown}: {sentence}")
