#!/bin/sh
# Sets the machine up and runs every check: format, lints, the engine without
# the command, and the tests. Stops at the first that fails. Set CI=true to make
# a missing rustfmt or clippy an error.
set -eu
cd "$(dirname "$0")/.."
. scripts/setup.sh

skipped=

# step NAME COMMAND...
step() {
    name=$1
    shift
    say "$name: $*"
    start=$(now)
    "$@" || die "FAILED at step '$name': $*"
    say "$name passed in $(elapsed "$start")"
}

# component NAME SUBCOMMAND: whether a part of the Rust toolchain is there.
component() {
    if cargo "$2" --version >/dev/null 2>&1; then return 0; fi
    if [ "${CI:-}" = true ]; then
        die "FAILED at step '$2': $1 is not installed ('rustup component add $1' installs it)"
    fi
    warn "$1 is not installed, so 'cargo $2' is left out ('rustup component add $1' installs it)"
    skipped="$skipped $2"
    return 1
}

setup_base
setup_test_tools

# llvmpipe: most of the time goes to compiling small shaders that run once. GPUs take no notice.
export GALLIVM_PERF="${GALLIVM_PERF:-nopt}"

if component rustfmt fmt; then step format cargo fmt --check; fi
if component clippy clippy; then step lints cargo clippy --all-targets --locked -- -D warnings; fi
step "engine alone" cargo check --locked --no-default-features --lib
step tests cargo test --locked

if [ -n "$skipped" ]; then
    say "everything that ran passed; left out:$skipped"
else
    say "all checks passed"
fi
