#!/bin/sh
# Builds a faster llvmpipe for processors without AVX-512 into a folder (see llvmpipe-avx2.c), and prints what to set:
#   eval "$(sh scripts/llvmpipe-avx2.sh FOLDER)"
# Wants gcc and patchelf, and Mesa's Vulkan drivers built against LLVM 15.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
manifest=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json | head -n 1)
driver=$(sed -n 's/.*"library_path" *: *"\([^"]*\)".*/\1/p' "$manifest")
gcc -O2 -shared -fPIC "$here/llvmpipe-avx2.c" -o "$folder/insert.so" -ldl
cp "$driver" "$folder/lvp.so"
patchelf --add-needed "$folder/insert.so" "$folder/lvp.so"
sed "s|$driver|$folder/lvp.so|" "$manifest" > "$folder/lvp.json"
# The driver's cache knows nothing of this: it gets one of its own.
echo "export VK_DRIVER_FILES=$folder/lvp.json VK_ICD_FILENAMES=$folder/lvp.json MESA_SHADER_CACHE_DIR=$folder/cache"
