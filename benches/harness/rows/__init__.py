"""The rows of the table, in its order."""
from harness.rows.biglog import BigLog
from harness.rows.continuous import Drop, Restart
from harness.rows.history import History
from harness.rows.life import Life, ManyFolders
from harness.rows.logs import Capture, Delay
from harness.rows.many import Due, Status
from harness.rows.runs import Latency, Throughput
from harness.rows.scale import BigFolder, CrowdedDrop, Followers, Jobs, RunningJobs

ALL = [Throughput, Latency, Restart, Capture, Delay, Life, ManyFolders, Drop, Due, Status, History]
SCALE = [Jobs, RunningJobs, CrowdedDrop, Followers, BigFolder, BigLog]
"""Measured with `--scale` only."""
