#!/usr/bin/env bash
# A continuous job: webjobd keeps it running, and starts it again when it ends or when this file changes.
# Try it: webjobd logs heartbeat -f
set -u

# A stop begins with SIGTERM to the job and everything it started. Without the trap bash would wait for `sleep` first.
trap 'echo "heartbeat: told to stop, goodbye"; exit 0' TERM INT

beat() {
  local load up
  read -r load _ </proc/loadavg
  read -r up _ </proc/uptime
  echo "heartbeat: load $load, up $((${up%.*} / 3600)) h $((${up%.*} / 60 % 60)) min"
}

echo "heartbeat: run ${WEBJOBS_RUN_ID:-by hand} of ${WEBJOBS_NAME:-heartbeat}, every ${HEARTBEAT_SECONDS:-10} s"
while true; do
  beat
  # In the background, so that `wait` lets the trap act at once.
  sleep "${HEARTBEAT_SECONDS:-10}" &
  wait $!
done
