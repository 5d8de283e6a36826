#!/usr/bin/env bash
# Builds the benchmarks' guests. Each language's folder has a build.sh of its own that makes one module.
#
#   benchmarks/guests/build.sh build OUT [GUEST...]   the named guests into the folder OUT, without names all of them;
#                                                     those that are committed are copied
#   benchmarks/guests/build.sh lock                   compile the committed guests anew, and write their locks
#   benchmarks/guests/build.sh check                  sources and modules must be those of the locks; where the lock's
#                                                     toolchain is installed a build must give the same bytes
#
# What is missing of the toolchains is named: benchmarks/guests/toolchains.sh and scripts/toolchain-rust.sh install it.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly COMMITTED=(c assemblyscript)
readonly BUILT=(rust javascript go go-http)

fail() {
  echo "guests: $*" >&2
  exit 1
}

digest() { sha256sum "$1" | cut -d' ' -f1; }

# sources_digest is one digest over the names and contents of what a guest is made of.
sources_digest() {
  find "$1" -type f -not -name '*.wasm' -not -name '*.lock.json' | LC_ALL=C sort | while IFS= read -r file; do
    sha256sum "$file"
  done | sha256sum | cut -d' ' -f1
}

# locked is a member of a lock file, which holds one string or number a line.
locked() { sed -nE "s/^  \"$2\": \"?([^\"]*[^\",])\"?,?$/\1/p" "$1/order.lock.json"; }

is_committed() { [[ " ${COMMITTED[*]} " == *" $1 "* ]]; }

build() {
  local out=$1 name
  shift
  (($#)) || set -- "${COMMITTED[@]}" "${BUILT[@]}"
  mkdir -p "$out"
  for name; do
    [[ -f $name/build.sh ]] || fail "there is no guest $name"
    if is_committed "$name"; then
      install -m 0644 "$name/order.wasm" "$out/$name.wasm"
    else
      bash "$name/build.sh" "$out/$name.wasm"
    fi
    echo "guests: $name.wasm, $(stat -c %s "$out/$name.wasm") bytes"
  done
}

lock() {
  local name
  for name in "${COMMITTED[@]}"; do
    bash "$name/build.sh" "$name/order.wasm"
    chmod 0644 "$name/order.wasm"
    cat >"$name/order.lock.json" <<EOF
{
  "sources_sha256": "$(sources_digest "$name")",
  "toolchain": "$(toolchain_of "$name")",
  "wasm_sha256": "$(digest "$name/order.wasm")",
  "wasm_bytes": $(stat -c %s "$name/order.wasm")
}
EOF
    echo "guests: $name/order.wasm, $(locked "$name" wasm_bytes) bytes"
  done
}

check() {
  local name built
  built=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$built'" EXIT
  for name in "${COMMITTED[@]}"; do
    [[ $(sources_digest "$name") == "$(locked "$name" sources_sha256)" ]] ||
      fail "the sources of $name changed since it was built: run benchmarks/guests/build.sh lock"
    [[ $(digest "$name/order.wasm") == "$(locked "$name" wasm_sha256)" ]] ||
      fail "$name/order.wasm is not the module of its lock: run benchmarks/guests/build.sh lock"
    if ! toolchain=$(toolchain_of "$name" 2>/dev/null) || [[ $toolchain != "$(locked "$name" toolchain)" ]]; then
      echo "guests: $name/order.wasm is what its lock says; its toolchain is not installed here"
      continue
    fi
    bash "$name/build.sh" "$built/$name.wasm"
    cmp -s "$built/$name.wasm" "$name/order.wasm" || fail "$name/order.wasm differs from what its sources give"
    echo "guests: $name/order.wasm is what its sources give"
  done
}

# shellcheck source=toolchains.sh
. ./toolchains.sh
mode=${1:-}
case $mode in
build)
  [[ -n ${2:-} ]] || fail "usage: benchmarks/guests/build.sh build OUT [GUEST...]"
  out=$(cd "$OLDPWD" && realpath -m "$2")
  shift 2
  build "$out" "$@"
  ;;
lock | check) "$mode" ;;
*) fail "usage: benchmarks/guests/build.sh build OUT [GUEST...] | lock | check" ;;
esac
