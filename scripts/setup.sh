#!/bin/sh
# Gets a machine ready to build and run gyre: Rust, a C linker and a Vulkan
# driver. Where no Vulkan driver is found on Linux, the software one (lavapipe)
# is installed from the system's packages.
#
#   sh scripts/setup.sh                what building and running need
#   sh scripts/setup.sh --test-tools   also the programs that only tests use
#
# demo.sh and test.sh read this file and call setup_base and setup_test_tools.
# GYRE_SKIP_DRIVER_CHECK=1 leaves out the search for a Vulkan driver.
set -eu

say() { printf '%s\n' "gyre: $*"; }
warn() { printf '%s\n' "gyre: warning: $*" >&2; }
die() {
    printf '%s\n' "gyre: error: $*" >&2
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# ---------------------------------------------------------------- packages

# The package manager, or nothing.
package_manager() {
    for pm in apt-get dnf microdnf yum pacman apk zypper; do
        if has "$pm"; then
            echo "$pm"
            return
        fi
    done
}

# packages_for WHAT: the names that this system's packages go by.
packages_for() {
    case "$1:$(package_manager)" in
        driver:apt-get) echo "mesa-vulkan-drivers libvulkan1" ;;
        driver:dnf | driver:microdnf | driver:yum) echo "mesa-vulkan-drivers vulkan-loader" ;;
        driver:pacman) echo "vulkan-swrast vulkan-icd-loader" ;;
        driver:apk) echo "mesa-vulkan-swrast vulkan-loader" ;;
        driver:zypper) echo "libvulkan_lvp libvulkan1" ;;
        linker:apt-get) echo "gcc libc6-dev" ;;
        linker:dnf | linker:microdnf | linker:yum) echo "gcc glibc-devel" ;;
        linker:pacman) echo "gcc" ;;
        linker:apk) echo "gcc musl-dev" ;;
        linker:zypper) echo "gcc glibc-devel" ;;
        tools:apt-get) echo "spirv-tools glslang-tools" ;;
        tools:zypper) echo "spirv-tools glslang-devel" ;;
        tools:?*) echo "spirv-tools glslang" ;;
    esac
}

# The command that installs the named packages, as the user should type it.
install_command() {
    sudo=
    if [ "$(id -u)" != 0 ] && has sudo; then sudo="sudo "; fi
    case "$(package_manager)" in
        apt-get) echo "${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends $*" ;;
        pacman) echo "${sudo}pacman -Sy --needed $*" ;;
        apk) echo "${sudo}apk add $*" ;;
        zypper) echo "${sudo}zypper install $*" ;;
        *) echo "${sudo}$(package_manager) install -y $*" ;;
    esac
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        return 1
    fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# Runs the package manager for the named packages.
run_package_manager() {
    case "$(package_manager)" in
        apt-get)
            known=yes
            for name in "$@"; do
                LC_ALL=C apt-cache policy "$name" 2>/dev/null | grep -q 'Candidate: [^(]' || known=no
            done
            if [ "$known" = yes ] && apt_get install -y --no-install-recommends "$@"; then
                return 0
            fi
            # The lists are missing, or too old to name files that still exist.
            # Where an update fails, what it did get may do.
            apt_get update || true
            apt_get install -y --no-install-recommends "$@"
            ;;
        pacman)
            as_root pacman -S --needed --noconfirm "$@" || as_root pacman -Sy --needed --noconfirm "$@"
            ;;
        apk) as_root apk add --no-cache "$@" ;;
        zypper) as_root zypper --non-interactive install "$@" ;;
        dnf | microdnf | yum) as_root "$(package_manager)" install -y "$@" ;;
        *) return 1 ;;
    esac
}

# install_packages NAME...: fails where they cannot be installed.
install_packages() {
    if [ "$(id -u)" != 0 ] && ! has sudo; then return 1; fi
    say "installing from the system's packages (this may take a minute): $*"
    log=$(mktemp) || die "no temporary file could be made"
    result=0
    run_package_manager "$@" >"$log" 2>&1 </dev/null || result=1
    if [ "$result" != 0 ]; then tail -n 15 "$log" | sed 's/^/    /' >&2; fi
    rm -f "$log"
    return "$result"
}

# require WHAT WHY: installs a group of packages, or says how and stops.
require() {
    names=$(packages_for "$1")
    if [ -z "$names" ]; then
        die "$2, and gyre does not know this system's package manager: install one by hand, then run this again"
    fi
    # shellcheck disable=SC2086 # a list of names
    if ! install_packages $names; then
        printf '%s\n' "gyre: error: $2; installing one failed. Run" \
            "    $(install_command "$names")" "as root, and then this command again." >&2
        exit 1
    fi
}

# -------------------------------------------------------------------- Rust

# at_least HAVE WANT: compares versions such as 1.90.0 and 1.88.
at_least() {
    awk -v have="$1" -v want="$2" 'BEGIN {
        split(have, h, "."); split(want, w, ".")
        for (i = 1; i <= 3; i++) if (h[i] + 0 != w[i] + 0) exit !(h[i] + 0 > w[i] + 0)
    }'
}

check_rust() {
    if ! has cargo && [ -x "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
        export PATH
    fi
    wanted=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml)
    if ! has cargo; then
        die "cargo was not found. Install Rust ${wanted:-(stable)} or newer with rustup (https://rustup.rs), open a new shell and run this again"
    fi
    if ! line=$(cargo --version); then
        die "cargo does not start; 'rustup default stable' sets up a toolchain where rustup has none"
    fi
    found=$(printf '%s\n' "$line" | sed 's/^cargo \([0-9.]*\).*/\1/')
    if [ -n "$wanted" ] && ! at_least "$found" "$wanted"; then
        die "Rust $wanted or newer is needed and this is $found; 'rustup update stable' brings a new one"
    fi
    # A statically linked musl program cannot load a Vulkan driver.
    if has rustc && rustc --print cfg 2>/dev/null | grep -q 'target_feature="crt-static"' &&
        rustc --print cfg | grep -q 'target_env="musl"'; then
        RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=-crt-static"
        export RUSTFLAGS
    fi
}

# ------------------------------------------------------------- null device

# Cargo and build scripts read and write /dev/null. A program that replaces its
# output file, run as root on it, leaves a plain file there, and then rustc reads
# what other programs threw away.
check_null_device() {
    if [ -c /dev/null ]; then return; fi
    repair="rm -f /dev/null && mknod -m 666 /dev/null c 1 3"
    if [ "$(uname -s)" = Linux ] && as_root sh -c "$repair"; then
        warn "/dev/null was no device; it is one again"
    else
        die "/dev/null is no device, and nothing builds without it; as root: $repair"
    fi
}

# ------------------------------------------------------------------ linker

# Whether a C program links: what Rust's own linking needs.
linker_works() {
    has cc || return 1
    scratch=$(mktemp -d) || die "no temporary folder could be made"
    result=0
    printf 'int main(void) { return 0; }\n' >"$scratch/a.c"
    cc "$scratch/a.c" -o "$scratch/a" >/dev/null 2>&1 || result=1
    rm -rf "$scratch"
    return "$result"
}

check_linker() {
    if linker_works; then return; fi
    case "$(uname -s)" in
        Linux)
            say "no working C linker (cc) was found"
            require linker "a C linker (cc) is needed to build"
            linker_works || die "cc still links no program; Rust needs a working C linker"
            ;;
        Darwin) die "a C linker is needed: run 'xcode-select --install', then this again" ;;
        *) die "a C linker (cc) is needed to build" ;;
    esac
}

# ------------------------------------------------------------------ Vulkan

# any_file LIST: whether a colon-separated list names something that exists.
any_file() (
    IFS=:
    set -f
    for f in $1; do
        if [ -n "$f" ] && [ -e "$f" ]; then exit 0; fi
    done
    exit 1
)

vulkan_loader() {
    for tool in ldconfig /sbin/ldconfig /usr/sbin/ldconfig; do
        if has "$tool" && "$tool" -p 2>/dev/null | grep -q 'libvulkan\.so\.1 '; then return 0; fi
    done
    for f in /usr/lib/libvulkan.so.1 /usr/lib64/libvulkan.so.1 /usr/lib/*-linux-*/libvulkan.so.1 \
        /lib/libvulkan.so.1 /lib64/libvulkan.so.1 /lib/*-linux-*/libvulkan.so.1 \
        /usr/local/lib/libvulkan.so.1 /usr/local/lib64/libvulkan.so.1 \
        /run/opengl-driver/lib/libvulkan.so.1; do
        if [ -e "$f" ]; then return 0; fi
    done
    (
        IFS=:
        set -f
        for d in ${LD_LIBRARY_PATH:-}; do
            if [ -n "$d" ] && [ -e "$d/libvulkan.so.1" ]; then exit 0; fi
        done
        exit 1
    )
}

# The driver descriptions (ICD files) that the Vulkan loader would read.
vulkan_drivers() (
    IFS=:
    data="${XDG_DATA_HOME:-${HOME:-}/.local/share}:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}"
    for d in /etc /usr/local/etc /usr/share /usr/local/share /run/opengl-driver/share $data; do
        for f in "$d"/vulkan/icd.d/*.json; do
            if [ -e "$f" ]; then printf '%s\n' "$f"; fi
        done
    done
)

# Whether there is a device node that a hardware driver could use.
gpu_device() {
    for f in /dev/dri/renderD* /dev/dri/card* /dev/nvidia[0-9]* /dev/nvidiactl /dev/dxg \
        /dev/mali* /dev/kgsl-3d0 /dev/pvr*; do
        if [ -e "$f" ]; then return 0; fi
    done
    return 1
}

# Sets `missing` to what is wrong; succeeds where a driver can be expected.
vulkan_ready() {
    missing=
    if ! vulkan_loader; then
        missing="no Vulkan loader (libvulkan.so.1) was found"
        return 1
    fi
    chosen=${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}
    if [ -n "$chosen" ]; then
        if any_file "$chosen"; then return 0; fi
        die "VK_DRIVER_FILES or VK_ICD_FILENAMES names no file that exists ($chosen); correct or unset it"
    fi
    if any_file "${VK_ADD_DRIVER_FILES:-}"; then return 0; fi
    drivers=$(vulkan_drivers)
    if [ -z "$drivers" ]; then
        missing="no Vulkan driver was found"
        return 1
    fi
    if printf '%s\n' "$drivers" | grep -qiE '/[^/]*(lvp|lavapipe|swrast|swiftshader)[^/]*$'; then return 0; fi
    if gpu_device; then return 0; fi
    missing="the Vulkan drivers here are for GPUs, and this machine shows none"
    return 1
}

check_vulkan() {
    if [ "${GYRE_SKIP_DRIVER_CHECK:-}" = 1 ]; then return; fi
    case "$(uname -s)" in
        Darwin) return ;; # Metal
        MINGW* | MSYS* | CYGWIN*) return ;; # Direct3D 12
    esac
    if vulkan_ready; then return; fi
    say "$missing; the software Vulkan driver, which computes on the CPU, is needed"
    require driver "gyre needs a Vulkan driver"
    vulkan_ready || die "after the installation there still is no usable driver: $missing"
    say "the software Vulkan driver is installed"
}

# ------------------------------------------------------------------- steps

setup_base() {
    check_null_device
    check_rust
    check_linker
    check_vulkan
}

# The outside shader validators. Tests that use them say so and skip where they
# are missing, so nothing here stops the run.
setup_test_tools() {
    if has spirv-val && has glslangValidator; then return; fi
    if [ "$(uname -s)" != Linux ]; then
        warn "spirv-val or glslangValidator is missing; the tests that use them will be skipped (packages spirv-tools and glslang)"
        return
    fi
    names=$(packages_for tools)
    # shellcheck disable=SC2086 # a list of names
    if [ -n "$names" ] && install_packages $names && has spirv-val && has glslangValidator; then return; fi
    warn "spirv-val or glslangValidator is missing; the tests that use them will be skipped"
    if [ -n "$names" ]; then warn "to have them: $(install_command "$names")"; fi
}

# Seconds since the epoch; minutes and seconds for people.
now() { date +%s; }
elapsed() { printf '%d min %02d s' "$((($(now) - $1) / 60))" "$((($(now) - $1) % 60))"; }

# Started directly, not read by another script.
case "${0##*/}" in
    setup.sh)
        cd "$(dirname "$0")/.."
        case "${1:-}" in
            '') setup_base ;;
            --test-tools)
                setup_base
                setup_test_tools
                ;;
            *) die "usage: sh scripts/setup.sh [--test-tools]" ;;
        esac
        say "set-up done"
        ;;
esac
