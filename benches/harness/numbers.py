"""Percentiles, spreads and how they are written."""


def percentile(values, share):
    """The value below which `share` of all lie; the median is the mean of the two in the middle."""
    values = sorted(values)
    if share == 0.5 and len(values) % 2 == 0:
        return (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2
    return values[min(len(values) - 1, int(len(values) * share))]


def spread(values):
    """Minimum, median, maximum."""
    return [min(values), percentile(values, 0.5), max(values)]


def show(value):
    """Three digits that mean something."""
    size = abs(value)
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"


def show_spread(spread_of):
    """Minimum, median and maximum on one line."""
    return " / ".join(show(value) for value in spread_of)
