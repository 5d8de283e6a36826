#!/usr/bin/env bash
# Compiles the guest in C:  benchmarks/guests/c/build.sh OUT.wasm
set -euo pipefail
out=$(realpath -m "${1:?usage: $0 OUT.wasm}")
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=../toolchains.sh
. ../toolchains.sh
# Without bulk memory every memcpy would be a loop; the stack is small, as it is part of each memory image.
exec "$ZIG" cc -target wasm32-freestanding -mcpu=generic+bulk_memory -O2 -std=c23 -Wall -Wextra -Werror \
  -ffreestanding -fno-builtin -nostdlib -Wl,--no-entry -Wl,-z,stack-size=16384 -s -o "$out" order.c
