#!/bin/sh
# Builds a faster llvmpipe (see llvmpipe.patch) into a folder, for long runs on machines without a GPU, and prints what to set:
#   eval "$(sh scripts/llvmpipe.sh FOLDER)"
# For Debian 12: fetches Mesa's source and, as root, what builds it. Takes some five minutes on two cores.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/apt" "$1/lists" "$1/source"
folder=$(cd "$1" && pwd)
version=22.3.6

# The package system's own source lists, with sources instead of binaries.
fetch_source() {
    sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > "$folder/apt/debian.sources"
    set -- -q -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$folder/apt" -o "Dir::State::lists=$folder/lists"
    apt-get "$@" update
    (cd "$folder/source" && apt-get "$@" source --download-only mesa)
    tar -xzf "$folder/source/mesa_$version.orig.tar.gz" -C "$folder/source"
    patch -d "$folder/source/mesa-$version" -p1 < "$here/llvmpipe.patch"
    cp "$here/llvmpipe.patch" "$folder/applied.patch"
}

build() {
    apt-get -q update
    apt-get install -q -y --no-install-recommends build-essential dpkg-dev patch meson ninja-build pkg-config bison flex glslang-tools \
        llvm-15-dev libdrm-dev libelf-dev zlib1g-dev libexpat1-dev python3-mako
    if ! cmp -s "$here/llvmpipe.patch" "$folder/applied.patch"; then
        rm -rf "$folder/source/mesa-$version"
        fetch_source
    fi
    cd "$folder/source/mesa-$version"
    # Debian's Python, which has what Mesa's build asks for; nothing but the Vulkan driver.
    [ -f build/build.ninja ] || PATH="/usr/bin:$PATH" meson setup build -Dbuildtype=release -Db_ndebug=true \
        -Dgallium-drivers=swrast -Dvulkan-drivers=swrast -Dllvm=enabled -Dshared-llvm=enabled -Dplatforms= \
        -Dopengl=false -Dgles1=disabled -Dgles2=disabled -Dglx=disabled -Degl=disabled -Dgbm=disabled -Ddri3=disabled \
        -Dshared-glapi=disabled -Dgallium-vdpau=disabled -Dgallium-va=disabled -Dgallium-xa=disabled -Dzstd=disabled \
        -Dvalgrind=disabled -Dlibunwind=disabled -Dlmsensors=disabled
    ninja -C build src/gallium/targets/lavapipe/libvulkan_lvp.so
    cp build/src/gallium/targets/lavapipe/libvulkan_lvp.so "$folder/"
}

manifest=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json | head -n 1)
[ -n "$manifest" ] || { echo "no llvmpipe to go by: install mesa-vulkan-drivers" >&2; exit 1; }
build >&2
sed "s|\"library_path\".*|\"library_path\": \"$folder/libvulkan_lvp.so\"|" "$manifest" > "$folder/lvp.json"
# Compiled shaders and tuned kernels are kept under the driver's name, which is that of Debian's: this one gets caches of its own.
echo "export VK_DRIVER_FILES=$folder/lvp.json VK_ICD_FILENAMES=$folder/lvp.json MESA_SHADER_CACHE_DIR=$folder/cache XDG_CACHE_HOME=$folder/cache"
