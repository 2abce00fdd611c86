#!/usr/bin/env python3
"""A continuous job that can be stopped at any moment without losing or repeating work.

It works through numbered items and remembers the last finished one in WEBJOBS_DATA_PATH, a folder that stays when the job
is changed or the host is replaced. A stop is announced twice: the file WEBJOBS_SHUTDOWN_FILE appears and SIGTERM arrives.
Either way the item at hand is finished first; `stopping_wait_time` in settings.job is the time for that.

Try it: webjobd stop graceful && webjobd start graceful && webjobd logs graceful -n 20
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

ITEM_SECONDS = float(os.environ.get("ITEM_SECONDS", "3"))
CHECKPOINT = Path(os.environ.get("WEBJOBS_DATA_PATH", ".")) / "checkpoint.json"
SHUTDOWN_FILE = os.environ.get("WEBJOBS_SHUTDOWN_FILE")

stop_signal = threading.Event()


def stop_reason():
    """Why to stop now, or None."""
    if stop_signal.is_set():
        return "the stop signal"
    if SHUTDOWN_FILE and os.path.exists(SHUTDOWN_FILE):
        return "the shutdown file"
    return None


def load():
    """The number of the last finished item; 0 on the first start."""
    try:
        return json.loads(CHECKPOINT.read_text())["done"]
    except FileNotFoundError:
        return 0


def save(done):
    """Replaces the checkpoint in one step: a reader or a crash never sees half of it."""
    new = CHECKPOINT.with_suffix(".new")
    with new.open("w") as file:
        json.dump({"done": done}, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(CHECKPOINT)


def work(item):
    """Stands for something that must not be cut in the middle."""
    print(f"graceful: item {item}: begun", flush=True)
    # A wait that nobody ends early: a signal sets `stop_signal` and the rest of the time still passes.
    threading.Event().wait(ITEM_SECONDS)
    print(f"graceful: item {item}: done", flush=True)


def main():
    signal.signal(signal.SIGTERM, lambda *_: stop_signal.set())
    signal.signal(signal.SIGINT, lambda *_: stop_signal.set())
    done = load()
    print(f"graceful: goes on after item {done}", flush=True)
    while (reason := stop_reason()) is None:
        work(done + 1)
        done += 1
        save(done)
    print(f"graceful: stopped by {reason}; {done} items are done and saved", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
