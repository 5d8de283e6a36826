#!/usr/bin/env bash
# Compiles the guest in Go:  benchmarks/guests/go-http/build.sh OUT.wasm
set -euo pipefail
out=$(realpath -m "${1:?usage: $0 OUT.wasm}")
cd "$(dirname "${BASH_SOURCE[0]}")"
GOOS=wasip1 GOARCH=wasm GOWASM='' GOFLAGS='' CGO_ENABLED=0 \
  go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w' -o "$out" .
