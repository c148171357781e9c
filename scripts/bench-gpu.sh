#!/bin/sh
# Everything that is to be measured on a GPU, in under ten minutes: every kernel
# in every form against its twin, ceilings and kernels in both precisions, whole
# steps of R2AttU-Net at the published widths, and PyTorch beside them.
#
#   scripts/bench-gpu.sh [FOLDER]
#
# writes what it saw to FOLDER (default: gpu). GYRE=path takes a gyre that is
# built already, GYRE_ADAPTER=name chooses among adapters, PYTHON=path a Python.
set -eu
cd "$(dirname "$0")/.."
out=${1:-gpu}
mkdir -p "$out"
if [ -z "${GYRE:-}" ]; then
    cargo build --release --locked
    GYRE=target/release/gyre
fi
# Its own cache, so that the kernels are chosen anew.
GYRE_CACHE="$out/cache"
export GYRE_CACHE

# part SECONDS FILE COMMAND...: keeps what the command prints; one that fails or
# takes too long does not keep the others from running.
part() {
    seconds=$1
    file=$out/$2
    shift 2
    echo "== $*"
    began=$(date +%s)
    if timeout "$seconds" "$@" >"$file" 2>"$file.err"; then
        echo "   done in $(($(date +%s) - began)) s: $file"
    else
        echo "   FAILED ($?) after $(($(date +%s) - began)) s: $file, $file.err"
        failed=1
    fi
    tail -n 3 "$file"
}

failed=0
date -u +%Y-%m-%d >"$out/date"
part 20 info.txt "$GYRE" info
part 150 doctor.txt "$GYRE" doctor
part 150 kernels.txt "$GYRE" bench --only "common,passes,U-Net" --precision f32,mixed --runs 9 \
    --save "$out/kernels.json" --plot "$out/roofline.svg"
part 120 steps.txt "$GYRE" bench --only "step r2attunet,step unet" --precision f32,mixed --runs 9 \
    --save "$out/steps.json"
part 150 torch.txt "${PYTHON:-python3}" benches/peers/torch_bench.py --runs 9 --only R2AttU-Net --profile \
    --json "$out/torch.json"
if [ "$failed" = 0 ]; then echo "all done: $out"; else echo "some parts failed: $out"; exit 1; fi
