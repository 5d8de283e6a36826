#!/bin/sh
# Builds the connector of this folder into a directory: testdata/guests/postgres/build.sh OUT
set -eu
out=${1:?usage: $0 OUT}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")"
GOOS=wasip1 GOARCH=wasm GOWASM='' GOFLAGS='' CGO_ENABLED=0 \
	go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w' -o "$out/postgres.wasm" .
