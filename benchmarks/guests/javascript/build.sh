#!/usr/bin/env bash
# Compiles QuickJS-ng, the shim and the script to one guest:  benchmarks/guests/javascript/build.sh OUT.wasm
set -euo pipefail
out=$(realpath -m "${1:?usage: $0 OUT.wasm}")
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=../toolchains.sh
. ../toolchains.sh
exec "$ZIG" cc -target wasm32-wasi -mexec-model=reactor -O2 -std=gnu23 -w -D_GNU_SOURCE -DNDEBUG \
  '-DSCRIPT_FILE="order.js"' "-I$QUICKJS" -D_WASI_EMULATED_PROCESS_CLOCKS -lwasi-emulated-process-clocks \
  -D_WASI_EMULATED_SIGNAL -lwasi-emulated-signal -Wl,-z,stack-size=262144 -s -o "$out" \
  shim.c "$QUICKJS/quickjs.c" "$QUICKJS/libregexp.c" "$QUICKJS/libunicode.c" "$QUICKJS/dtoa.c"
