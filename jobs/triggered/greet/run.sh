#!/usr/bin/env bash
# A triggered job without a schedule: it runs when somebody asks, with the arguments they give.
# Try it: webjobd run greet --wait -- Ada "Grace Hopper"; echo "exit code $?"
set -euo pipefail

if (($# == 0)); then
  # Standard error is marked ERR in the log; any exit code but 0 makes the run a failed one.
  echo "greet: nobody to greet; give names, as in: webjobd run greet -- Ada \"Grace Hopper\"" >&2
  exit 2
fi

# Arguments arrive one by one, exactly as given: a name with a space is still one name.
number=0
for name in "$@"; do
  number=$((number + 1))
  echo "$number. Hello, $name!"
done
echo "$number greeted in run ${WEBJOBS_RUN_ID:-by hand}"
