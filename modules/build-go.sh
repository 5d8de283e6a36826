#!/bin/sh
# Builds the connectors that are written in Go, and the Go guests of the tests, into a directory:
#
#	modules/build-go.sh OUT [NAME...]
#
# Without names it builds all. The same sources and the same Go give the same bytes, wherever the repository lies.
set -eu

usage="usage: $0 OUT [example|probe|greeter|greeter-v2|misbehave|dialer|streamer ...]"
out=${1:?$usage}
shift
[ $# -gt 0 ] || set -- example probe greeter greeter-v2 misbehave dialer streamer

mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."

# build PACKAGE NAME [LINKER-FLAGS]
build() {
	GOOS=wasip1 GOARCH=wasm GOWASM='' GOFLAGS='' CGO_ENABLED=0 \
		go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags="-s -w ${3-}" -o "$out/$2.wasm" "$1"
}

for name; do
	case $name in
	example) build ./modules/example example ;;
	probe) build ./testdata/guests/probe probe ;;
	greeter) build ./testdata/guests/greeter greeter ;;
	greeter-v2) build ./testdata/guests/greeter greeter-v2 '-X main.version=2.0.0' ;;
	dialer) build ./testdata/guests/dialer dialer ;;
	streamer) build ./testdata/guests/streamer streamer ;;
	misbehave) build ./testdata/guests/misbehave misbehave ;;
	*)
		echo "$usage" >&2
		exit 2
		;;
	esac
done
