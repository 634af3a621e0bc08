#!/usr/bin/env bash
# One hour of the long fuzz run with one worker: 45 minutes the lit side's reader, 15 the dark side's. New inputs go to WORK.
# Usage: fuzz/hour.sh WORK [BUILD], BUILD being the folder that `cargo +nightly fuzz build` filled.
set -uo pipefail
work=$(realpath -m "$1")
cd "$(dirname "$0")"
build=${2:-target/x86_64-unknown-linux-gnu/release}
status=0
for run in lit_reads:2700 dark_reads:900; do
    target=${run%:*}
    mkdir -p "$work/$target" "artifacts/$target"
    "$build/$target" "$work/$target" "corpus/$target" -max_total_time="${run#*:}" -max_len=4096 -timeout=10 \
        -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="artifacts/$target/"
    code=$?
    echo "$target: exit code $code after ${run#*:} s"
    [ "$code" -eq 0 ] || status=1
done
exit "$status"
