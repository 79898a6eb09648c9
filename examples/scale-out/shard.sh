#!/bin/sh
# One part of a plan's trials. A Kubernetes Indexed Job gives each pod its own JOB_COMPLETION_INDEX, from 0.
#
#   SCENARIO  scenario file          TRIALS  trials of all parts
#   SHARDS    parts in all           PARTS   folder for the part's file
set -eu
index=${JOB_COMPLETION_INDEX:?is set by an Indexed Job; give 0 to SHARDS - 1 to run a part by hand}
exec runrate plan "${SCENARIO:?}" --trials "${TRIALS:?}" \
    --shard "$((index + 1))/${SHARDS:?}" --out "${PARTS:?}/part-$index.parquet"
