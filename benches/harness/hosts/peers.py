"""Other supervisors: what `--peers` installs and measures."""


def install():
    """Returns those that could be had, by name."""
    return {}
