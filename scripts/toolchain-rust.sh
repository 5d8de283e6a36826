#!/usr/bin/env bash
# Makes a Rust toolchain ready that compiles to wasm32-unknown-unknown, and prints its versions.
#
#   scripts/toolchain-rust.sh         install what is missing, then print the versions
#   . scripts/toolchain-rust.sh       as above; the sourcing shell then also has what modules/build-rust.sh needs:
#                                     RUSTC, CARGO, RUSTDOC, RUST_LINKER (empty: rustc's own), RUST_STD (source|prebuilt)
#
# RUSTC and CARGO choose another toolchain, for example one of rustup's with its wasm32-unknown-unknown target. Without
# them it is Debian's, at /usr/bin: rustc-web brings no std for wasm, but rust-web-src brings its source. Installing
# needs root; where everything is there, nothing is installed.

set -euo pipefail

readonly RUST_TARGET=wasm32-unknown-unknown

rust_fail() {
  echo "toolchain-rust: $*" >&2
  exit 1
}

# The newest linker for wasm that is installed, whatever its version is called.
rust_find_linker() {
  { compgen -c wasm-ld | grep -xE 'wasm-ld(-[0-9]+)?' | sort -uV | tail -n 1; } || true
}

# The newest lld that the package lists offer.
rust_lld_package() {
  apt-cache search --names-only '^lld-[0-9]+$' | awk '{print $1}' | sort -V | tail -n 1
}

rust_install_debian() {
  local missing=()
  [[ -x /usr/bin/rustc && -x /usr/bin/cargo ]] || missing+=(rustc-web cargo-web)
  [[ -d /usr/lib/rustlib/src/rust/library/std ]] || missing+=(rust-web-src)
  [[ -n $(rust_find_linker) ]] || missing+=(lld)
  ((${#missing[@]} == 0)) && return

  command -v apt-get >/dev/null || rust_fail "no apt-get here: set RUSTC and CARGO to a toolchain that has $RUST_TARGET"
  ((EUID == 0)) || rust_fail "installing ${missing[*]} needs root"
  echo "toolchain-rust: installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >&2 || rust_fail "apt-get update failed"
  local i
  for i in "${!missing[@]}"; do
    if [[ ${missing[i]} == lld ]]; then
      missing[i]=$(rust_lld_package)
      [[ -n ${missing[i]} ]] || rust_fail "the package lists have no lld"
    fi
  done
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 || rust_fail "apt-get install ${missing[*]} failed"
}

if [[ -z ${RUSTC:-} && -z ${CARGO:-} ]]; then
  rust_install_debian
  RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo RUSTDOC=/usr/bin/rustdoc
elif [[ -z ${RUSTC:-} || -z ${CARGO:-} ]]; then
  rust_fail "set both RUSTC and CARGO, or neither"
fi
"$RUSTC" --version >/dev/null || rust_fail "$RUSTC does not run"
"$CARGO" --version >/dev/null || rust_fail "$CARGO does not run"

rust_sysroot=$("$RUSTC" --print sysroot)
rust_host=$("$RUSTC" -vV | sed -n 's/^host: //p')
if compgen -G "$("$RUSTC" --print target-libdir --target "$RUST_TARGET")/libstd-*.rlib" >/dev/null; then
  RUST_STD=prebuilt
elif [[ -f $rust_sysroot/lib/rustlib/src/rust/library/std/Cargo.toml ]]; then
  RUST_STD=source
else
  rust_fail "$RUSTC has neither std for $RUST_TARGET nor its source: rustup target add $RUST_TARGET"
fi

RUST_LINKER=
if [[ ! -x $rust_sysroot/lib/rustlib/$rust_host/bin/rust-lld ]]; then
  RUST_LINKER=$(rust_find_linker)
  [[ -n $RUST_LINKER ]] || rust_fail "no linker for wasm: install lld"
fi
export RUSTC CARGO RUST_LINKER RUST_STD
[[ -z ${RUSTDOC:-} ]] || export RUSTDOC

# What decides the bytes of a build, one line.
rust_toolchain() {
  local linker="rust-lld"
  [[ -z $RUST_LINKER ]] || linker=$("$RUST_LINKER" --version)
  echo "$("$RUSTC" --version); $linker; std $RUST_STD"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  "$RUSTC" --version
  "$CARGO" --version
  [[ -z $RUST_LINKER ]] || "$RUST_LINKER" --version
  echo "std for $RUST_TARGET: $RUST_STD"
fi
