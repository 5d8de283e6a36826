#!/usr/bin/env bash
# Compiles a crate to a module, with the toolchain of scripts/toolchain-rust.sh and in its folder for builds:
#
#   benchmarks/guests/cargo.sh CRATE-FOLDER CRATE OUT.wasm
set -euo pipefail
usage="usage: $0 CRATE-FOLDER CRATE OUT.wasm"
crate=${2:?$usage}
out=$(realpath -m "${3:?$usage}")
scripts=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../scripts")
cd "$1"
# shellcheck source=../../scripts/toolchain-rust.sh
. "$scripts/toolchain-rust.sh"
target_dir=${SLUICE_RUST_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/rust}
flags=("-Clink-arg=-zstack-size=65536") # the stack is part of every memory image
[[ -z $RUST_LINKER ]] || flags+=("-Clinker=$RUST_LINKER" "-Clinker-flavor=wasm-ld")
args=(build --release --locked --quiet --target "$RUST_TARGET" --target-dir "$target_dir")
env=(CARGO_ENCODED_RUSTFLAGS="$(IFS=$'\x1f'; echo "${flags[*]}")" CARGO_INCREMENTAL=0)
if [[ $RUST_STD == source ]]; then
  # Debian's rustc is a stable one without std for wasm: its source is compiled along.
  args+=(-Zbuild-std=std,panic_abort)
  env+=(RUSTC_BOOTSTRAP=1)
fi
env -u RUSTFLAGS "${env[@]}" "$CARGO" "${args[@]}" >&2
mkdir -p "$(dirname "$out")"
install -m 0644 "$target_dir/$RUST_TARGET/release/$crate.wasm" "$out"
