#!/bin/sh
# Sets the machine up, builds gyre, trains a small model and writes a report.
set -eu
cd "$(dirname "$0")/.."
. scripts/setup.sh

# The demonstration itself, all in one place.
gyre=${CARGO_TARGET_DIR:-target}/release/gyre
run=runs/demo
report=$run/report.html
train() { "$gyre" train assets/demo.toml --set "train.out=$run" --overwrite; }
evaluate() { "$gyre" eval "$run" --split test --json; }

setup_base

say "building (the first build takes a few minutes)"
start=$(now)
cargo build --release --locked || die "the build failed"
build_time=$(elapsed "$start")

say "training $run as assets/demo.toml says"
start=$(now)
train || die "the training failed"
train_time=$(elapsed "$start")

say "scoring the trained model on the test pictures"
evaluate || die "the evaluation failed"
[ -f "$report" ] || die "the evaluation wrote no $report"

say "build:    $build_time"
say "training: $train_time"
say "report:   $(pwd)/$report (open it in a browser)"
