#!/bin/sh
# Starts two servers, one of them with a key, and replays the recorded calls against them.
#
# CASES narrows what is replayed (arguments of replay.py); PORT and KEY_PORT choose the ports.
set -eu
cd "$(dirname "$0")/../.."

port=${PORT:-8210}
key_port=${KEY_PORT:-8211}
work=$(mktemp -d)
open= keyed=
trap 'kill $open $keyed 2>/dev/null || true; wait; rm -rf "$work"' EXIT

unset CONNECTOR_PROXY_API_KEY CONNECTOR_PROXY_CORS_ORIGINS HOST PORT
bin/sluice serve --dev --listen "127.0.0.1:$port" --data "$work/open" 2>"$work/open.log" &
open=$!
CONNECTOR_PROXY_API_KEY=expected-key CONNECTOR_PROXY_CORS_ORIGINS=https://arena.example.com \
	bin/sluice serve --dev --listen "127.0.0.1:$key_port" --data "$work/keyed" 2>"$work/keyed.log" &
keyed=$!

for p in "$port" "$key_port"; do
	for _ in $(seq 100); do
		bin/sluice healthcheck --server "http://127.0.0.1:$p" 2>/dev/null && break
		sleep 0.2
	done
done
bin/sluice push --server "http://127.0.0.1:$port" bin/probe.wasm
python3 testdata/conformance/without.py testdata/conformance/spiff.jsonl smtp slack postgres_v2 aws >"$work/cases.jsonl"
python3 testdata/conformance/replay.py "$work/cases.jsonl" \
	--base "http://127.0.0.1:$port" --key-base "http://127.0.0.1:$key_port" --probe ${CASES-} || {
	status=$?
	grep -h '"level":"\(WARN\|ERROR\)"' "$work"/*.log | tail -20
	exit "$status"
}
