"""When a ratio counts as worse than the accepted one, and when nothing can be said. Pure: values in, a word out."""
from harness.numbers import percentile

LEAST = 0.10
"""Changes below this share of the accepted median are never named: a few turns cannot tell them from chance."""
MOST = 0.50
"""A ratio that scatters by more than this share of its median tells nothing."""
TURNS_MIN = 2
REFUSED_SHARE = 0.25
"""When more than this share of the ratios tells nothing, the whole run tells nothing."""
BETTER, FINE, WORSE, UNSURE = "better", "fine", "worse", "unsure"
NOTHING_WORSE, SOMETHING_WORSE, NOT_JUDGED = 0, 1, 3


def width(values):
    """How far values scatter."""
    return max(values) - min(values)


def judge(then, now, more_is_better):
    """Compares the ratios of all undisturbed turns, accepted ones with those of now.

    The noise is what both show themselves: how far the turns of either scatter, whichever is more. A change of the median
    counts when it is larger than that.
    """
    if min(len(then), len(now)) < TURNS_MIN:
        return UNSURE
    middle_then, middle_now = percentile(then, 0.5), percentile(now, 0.5)
    scatter = max(width(then), width(now))
    change = middle_then - middle_now if more_is_better else middle_now - middle_then
    if abs(change) > max(scatter, LEAST * abs(middle_then)):
        return WORSE if change > 0 else BETTER
    return UNSURE if width(now) > MOST * abs(middle_now) and middle_now else FINE


def code(verdicts):
    """What `--check` ends with, for the verdicts on all ratios."""
    verdicts = list(verdicts)
    if verdicts.count(UNSURE) > REFUSED_SHARE * len(verdicts) or not verdicts:
        return NOT_JUDGED
    return SOMETHING_WORSE if WORSE in verdicts else NOTHING_WORSE
