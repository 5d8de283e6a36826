#!/usr/bin/env bash
# Compiles the plug-in:  benchmarks/extism/plugin/build.sh OUT.wasm
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/../../guests/cargo.sh" "$(dirname "${BASH_SOURCE[0]}")" plugin "${1:?usage: $0 OUT.wasm}"
