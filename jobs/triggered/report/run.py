#!/usr/bin/env python3
"""A triggered job on a schedule: writes a dated report about the machine into its data folder.

The data folder, WEBJOBS_DATA_PATH, outlives every run and every new version of this script. The newest reports are kept,
older ones are removed.

Try it: webjobd run report --wait, then look below data/jobs/triggered/report/reports/
"""

import os
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path

KEEP = int(os.environ.get("REPORTS_KEPT", "20"))


def memory():
    """Total and available memory in bytes."""
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))


def report(now, folder):
    disk = shutil.disk_usage(folder)
    total, available = memory()
    gib = 1024**3
    return "\n".join([
        f"Report of {now:%Y-%m-%d %H:%M:%S} UTC",
        f"run:    {os.environ.get('WEBJOBS_RUN_ID') or 'by hand'}",
        f"disk:   {disk.used / gib:.1f} of {disk.total / gib:.1f} GiB used ({disk.used / disk.total:.0%})",
        f"memory: {(total - available) / gib:.1f} of {total / gib:.1f} GiB used ({1 - available / total:.0%})",
        "load:   " + " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "",
    ])


def main():
    folder = Path(os.environ.get("WEBJOBS_DATA_PATH", ".")) / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(timezone.utc)
    text = report(now, folder)

    # Written beside and renamed: whoever reads the folder sees whole reports only.
    path = folder / f"report-{now:%Y%m%dT%H%M%SZ}.txt"
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
    print(text, end="")
    print(f"written to {path}")

    for old in sorted(folder.glob("report-*.txt"))[:-KEEP]:
        old.unlink()
        print(f"removed {old.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
