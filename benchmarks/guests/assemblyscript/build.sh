#!/usr/bin/env bash
# Compiles the guest in AssemblyScript:  benchmarks/guests/assemblyscript/build.sh OUT.wasm
set -euo pipefail
out=$(realpath -m "${1:?usage: $0 OUT.wasm}")
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=../toolchains.sh
. ../toolchains.sh
# The compiler looks for packages from its base folder on.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
ln -s "$TOOLCHAINS/assemblyscript/node_modules" "$stage/node_modules"
cp order.ts "$stage/"
cd "$stage"
node_modules/.bin/asc order.ts --transform json-as/transform -O3 --noAssert --runtime incremental \
  --use abort=order/trap -o module.wasm
install -m 0644 module.wasm "$out"
