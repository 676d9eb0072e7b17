#!/usr/bin/env bash
# Builds the core with sanitizers and runs what exercises it: the tests of kernels and losses with AddressSanitizer
# and UBSan, a program of threads with ThreadSanitizer, and that program with UBSan on the plain loops, which only
# compilers without vector types build otherwise. PYTHON is the interpreter of an environment with the requirements of
# the tests; CXX is GCC or Clang.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=$(realpath -s "${PYTHON:-.venv/bin/python}")
export CXX=${CXX:-g++}
build=$PWD/build/sanitize

if ! command -v "$CXX" > /dev/null; then
    echo "no $CXX: nothing is compiled, so there is nothing to sanitize"
    exit 0
fi
if ! command -v cmake > /dev/null; then
    "$PYTHON" -m pip --disable-pip-version-check install --quiet cmake ninja
    PATH=$(dirname "$PYTHON"):$PATH
fi
rm -rf "$build"
mkdir -p "$build"

# driver FOLDER OPTIONS builds the program of threads
driver() {
    cmake -S native -B "$build/$1" -DCMAKE_BUILD_TYPE=Release -DCROSSENT_DRIVER=ON "${@:2}" > "$build/log"
    cmake --build "$build/$1" --parallel 2 >> "$build/log" 2>&1 || { cat "$build/log"; exit 1; }
}

echo "== threads under ThreadSanitizer"
driver threads -DCROSSENT_SANITIZE=thread

echo "== code that instruction sets would share"
# of functions that several sets compile the linker keeps one, which may need AVX-512
shared=$(find "$build/threads" -path '*isa_*' -name '*.o' -exec nm -C --defined-only {} + |
    grep -E '^[0-9a-f]+ [WVui] ' | grep -vE 'crossent::(baseline|avx2|avx512|avx512_bf16)::|DW\.ref\.' || true)
[ -z "$shared" ] || { echo "$shared"; exit 1; }

# address randomisation leaves ThreadSanitizer no room on some systems
fixed=()
setarch -R true 2> /dev/null && fixed=(setarch -R)
TSAN_OPTIONS=halt_on_error=1 "${fixed[@]}" "$build/threads/threads"

echo "== plain loops under UBSan"
driver plain -DCROSSENT_PLAIN=ON -DCROSSENT_SANITIZE=undefined
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$build/plain/threads"

echo "== the tests under AddressSanitizer and UBSan"
CROSSENT_CORE_REQUIRED=1 "$PYTHON" -m pip --disable-pip-version-check install --quiet --no-deps \
    --target "$build/package" . -Ccmake.define.CROSSENT_SANITIZE=address,undefined -Cinstall.strip=false
# an environment that sees the packages of the tests, but not the editable installation of crossent
"$PYTHON" -m venv --without-pip "$build/venv"
site=$("$build/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/packages.pth"

tests=${*:-tests/kernels tests/native tests/losses}
# Python and NumPy keep memory until the end; leaks of the core would show as growth in tests/native
export ASAN_OPTIONS=detect_leaks=0:log_path=$build/report
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:log_path=$build/report
preload=$("$CXX" -print-file-name=libasan.so):$("$CXX" -print-file-name=libubsan.so)
LD_PRELOAD=$preload PYTHONPATH=$build/package "$build/venv/bin/python" -c '
from crossent.kernels import _native, explain
print(explain())'
LD_PRELOAD=$preload PYTHONPATH=$build/package "$build/venv/bin/python" -m pytest -q -n 0 \
    -o "pythonpath=$build/package" $tests || { code=$?; cat "$build"/report.* 2> /dev/null || true; exit $code; }
