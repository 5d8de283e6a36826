#!/usr/bin/env bash
# Builds the connectors and guests of tests that are written in Rust and committed, and checks what is committed.
#
#   modules/build-rust.sh build    compile, and write <name>.wasm and <name>.lock.json into each folder
#   modules/build-rust.sh check    sources and module must be those of the lock; with the lock's toolchain a build must
#                                  give the same bytes. With another toolchain a difference is printed and no failure:
#                                  the tests judge the module
#   modules/build-rust.sh test     the unit tests of SDK, connectors and guests, on this machine's own target
#
# The toolchain is that of scripts/toolchain-rust.sh. Builds go to SLUICE_RUST_TARGET_DIR, by default a folder in the
# user's cache, never into the tree.

set -euo pipefail

readonly TARGET=wasm32-unknown-unknown
# Each folder bears the name of its connector.
readonly FOLDERS=(modules/http testdata/guests/lines)

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
out=${SLUICE_RUST_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/rust}

fail() {
  echo "build-rust: $*" >&2
  exit 1
}

# The files that a connector is made of, sorted.
sources() {
  local folder=$1
  find "$folder" guest-sdk/rust -type f \
    \( -path '*/src/*.rs' -o -name Cargo.toml -o -path "$folder/Cargo.lock" \) \
    -not -path '*/target/*' | LC_ALL=C sort
}

# One digest over names and contents of the sources.
source_digest() {
  sources "$1" | while IFS= read -r file; do
    sha256sum "$file"
  done | sha256sum | cut -d' ' -f1
}

file_digest() {
  sha256sum "$1" | cut -d' ' -f1
}

# A member of a lock file, which holds one string or number a line.
locked() {
  sed -nE "s/^  \"$2\": \"?([^\"]*[^\",])\"?,?$/\1/p" "$1/${1##*/}.lock.json"
}

# Lays a connector and the SDK out in one folder and prints it. Cargo mixes the path of whatever lies outside of a
# package's folder into the names of symbols, and with them into the order of functions: inside, a path is relative, and
# every checkout gives the same bytes.
stage() {
  local folder=$1 stage=$out/stage/${1##*/}
  rm -rf "$stage"
  mkdir -p "$stage"
  ln -s "$root/$folder/src" "$stage/src"
  ln -s "$root/guest-sdk/rust" "$stage/sdk"
  cp "$folder/Cargo.lock" "$stage/"
  sed -E 's|"(\.\./)+guest-sdk/rust"|"sdk"|' "$folder/Cargo.toml" >"$stage/Cargo.toml"
  echo "$stage"
}

# Compiles a connector; prints the path of the module.
compile() {
  local name=${1##*/} stage sysroot
  stage=$(stage "$1")
  sysroot=$("$RUSTC" --print sysroot)
  # No path of this machine may get into the module with the places of panics. The last prefix that fits wins.
  local flags=(
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/cargo"
    "--remap-path-prefix=$(realpath -m "$sysroot/lib/rustlib/src/rust")=/rust"
    "--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rust"
    "--remap-path-prefix=$stage=/$name"
    # The connectors' stacks are shallow; the default of 1 MiB would only make memory images larger.
    "-Clink-arg=-zstack-size=262144"
  )
  [[ -z $RUST_LINKER ]] || flags+=("-Clinker=$RUST_LINKER" "-Clinker-flavor=wasm-ld")
  local args=(build --release --locked --quiet --target "$TARGET" --target-dir "$out"
    --manifest-path "$stage/Cargo.toml")
  local env=(CARGO_ENCODED_RUSTFLAGS="$(IFS=$'\x1f'; echo "${flags[*]}")" CARGO_INCREMENTAL=0)
  if [[ $RUST_STD == source ]]; then
    # Debian's rustc is a stable one without std for wasm: its source is compiled along.
    args+=(-Zbuild-std=std,panic_abort)
    env+=(RUSTC_BOOTSTRAP=1)
  fi
  env -u RUSTFLAGS "${env[@]}" "$CARGO" "${args[@]}" >&2 || fail "$name does not compile"
  echo "$out/$TARGET/release/$name.wasm"
}

write_lock() {
  local folder=$1 wasm=$1/${1##*/}.wasm
  cat >"${wasm%.wasm}.lock.json" <<EOF
{
  "sources_sha256": "$(source_digest "$folder")",
  "toolchain": "$(rust_toolchain)",
  "target": "$TARGET",
  "wasm_sha256": "$(file_digest "$wasm")",
  "wasm_bytes": $(stat -c %s "$wasm")
}
EOF
}

build() {
  local folder=$1 name=${1##*/} built
  built=$(compile "$folder")
  install -m 0644 "$built" "$folder/$name.wasm"
  write_lock "$folder"
  echo "build-rust: $name.wasm, $(locked "$folder" wasm_bytes) bytes, sha256 $(locked "$folder" wasm_sha256)"
}

check() {
  local folder=$1 name=${1##*/} wasm=$1/${1##*/}.wasm built
  [[ -f $wasm && -f ${wasm%.wasm}.lock.json ]] || fail "$wasm or its lock is missing: run modules/build-rust.sh build"
  [[ $(source_digest "$folder") == "$(locked "$folder" sources_sha256)" ]] ||
    fail "the sources of $name changed since $name.wasm was built: run modules/build-rust.sh build"
  [[ $(file_digest "$wasm") == "$(locked "$folder" wasm_sha256)" ]] ||
    fail "$wasm is not the module of its lock: run modules/build-rust.sh build"
  built=$(compile "$folder")
  if cmp -s "$built" "$wasm"; then
    echo "build-rust: $name.wasm is what its sources give"
  elif [[ $(rust_toolchain) == "$(locked "$folder" toolchain)" ]]; then
    fail "$name.wasm differs from what its sources give: $(file_digest "$built")"
  else
    echo "build-rust: $name.wasm differs, as another toolchain built it"
    echo "  lock: $(locked "$folder" toolchain)"
    echo "  here: $(rust_toolchain)"
  fi
}

mode=${1:-}
case $mode in
build | check | test) ;;
*) fail "usage: modules/build-rust.sh build|check|test" ;;
esac
# shellcheck source=../scripts/toolchain-rust.sh
. scripts/toolchain-rust.sh

if [[ $mode == test ]]; then
  "$CARGO" test --quiet --locked --target-dir "$out/host" --manifest-path guest-sdk/rust/Cargo.toml
fi
for folder in "${FOLDERS[@]}"; do
  case $mode in
  build) build "$folder" ;;
  check) check "$folder" ;;
  test) "$CARGO" test --quiet --locked --target-dir "$out/host" --manifest-path "$folder/Cargo.toml" ;;
  esac
done
