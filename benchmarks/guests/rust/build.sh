#!/usr/bin/env bash
# Compiles the guest in Rust:  benchmarks/guests/rust/build.sh OUT.wasm
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/../cargo.sh" "$(dirname "${BASH_SOURCE[0]}")" order "${1:?usage: $0 OUT.wasm}"
