#!/usr/bin/env bash
# Installs what compiles the guests that are in neither Go nor Rust, each thing in the version that is pinned here or in a
# lock file beside the guest, into a folder of its own in the user's cache. Rust is scripts/toolchain-rust.sh's.
#
#   benchmarks/guests/toolchains.sh         install what is missing, then print the versions
#   . benchmarks/guests/toolchains.sh       the sourcing shell gets TOOLCHAINS, ZIG, ASC and QUICKJS; nothing is installed
#
# It needs Python 3 with pip (for Zig, which is the C compiler), Node with npm (AssemblyScript), and cargo (the source of
# QuickJS-ng).

set -euo pipefail

readonly ZIG_VERSION=0.16.0 # of https://pypi.org/project/ziglang/

TOOLCHAINS=${SLUICE_TOOLCHAINS:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/toolchains}
ZIG=$TOOLCHAINS/zig-$ZIG_VERSION/bin/python-zig
ASC=$TOOLCHAINS/assemblyscript/node_modules/.bin/asc
QUICKJS=$TOOLCHAINS/quickjs/rquickjs-sys/quickjs

toolchains_need() {
  command -v "$1" >/dev/null || {
    echo "toolchains: $1 is needed: install $2" >&2
    exit 1
  }
}

toolchains_install() {
  local here=$1 folder
  mkdir -p "$TOOLCHAINS"
  if [[ ! -x $ZIG ]]; then
    toolchains_need python3 "Python 3 with venv and pip"
    folder=$TOOLCHAINS/zig-$ZIG_VERSION
    python3 -m venv --clear "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "ziglang==$ZIG_VERSION"
    ln -sf "$("$folder/bin/python" -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__))')/zig" "$ZIG"
  fi
  folder=$TOOLCHAINS/assemblyscript
  if [[ ! -x $ASC ]] || ! cmp -s "$here/assemblyscript/package-lock.json" "$folder/package-lock.json"; then
    toolchains_need npm "Node with npm"
    mkdir -p "$folder"
    cp "$here/assemblyscript/package.json" "$here/assemblyscript/package-lock.json" "$folder/"
    (cd "$folder" && npm ci --silent --ignore-scripts --no-audit --no-fund)
  fi
  folder=$TOOLCHAINS/quickjs
  if [[ ! -d $QUICKJS ]] || ! cmp -s "$here/javascript/quickjs/Cargo.lock" "$TOOLCHAINS/quickjs.lock"; then
    toolchains_need cargo "Rust's cargo"
    cargo vendor --quiet --locked --manifest-path "$here/javascript/quickjs/Cargo.toml" "$folder" >/dev/null
    cp "$here/javascript/quickjs/Cargo.lock" "$TOOLCHAINS/quickjs.lock"
  fi
}

# toolchain_of prints what decides the bytes of the guests of a language, one line.
toolchain_of() {
  case $1 in
  c) echo "zig cc $("$ZIG" version)" ;;
  assemblyscript)
    sed -nE 's/^    "(assemblyscript|json-as)": "(.*)",?$/\1 \2/p' \
      "$TOOLCHAINS/assemblyscript/package.json" | paste -sd, | sed 's/,/, /'
    ;;
  javascript)
    echo "zig cc $("$ZIG" version), QuickJS-ng of rquickjs-sys $(sed -nE 's/^version = "(.*)"/\1/p' "$QUICKJS/../Cargo.toml" | head -n 1)"
    ;;
  esac
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  toolchains_install "$(cd "$(dirname "$0")" && pwd)"
  for language in c assemblyscript javascript; do
    echo "$language: $(toolchain_of "$language")"
  done
fi
