#!/usr/bin/env bash
# Makes a Rust toolchain for wasm32-wasip2 out of Debian 12's own packages, for machines where rustup
# cannot add the target. `cargo xtask guest-toolchain` runs this; nothing happens when all is in place.
#
# In:  TOOLCHAIN  the name rustup shall know it by
#      LINKERS    folder that holds rustup's rust-lld and wasm-component-ld
#      OLDEST     oldest Rust release that the guests compile with, e.g. 1.95
# Out: all that is printed goes to standard error.
#
# Debian packages a current compiler but no standard library for this target, so the library is
# compiled here once, from Debian's copy of its source, and laid where that compiler looks for it.
set -euo pipefail
exec >&2 </dev/null

target=wasm32-wasip2
host=$(uname -m)-unknown-linux-gnu
rustlib=/usr/lib/rustlib
std=$rustlib/$target/lib
stamp=$std/.larder-stamp
apt=(apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
export DEBIAN_FRONTEND=noninteractive

say() { printf 'guest toolchain: %s\n' "$*"; }
die() { say "$*"; exit 1; }

compiler_is_there() {
  [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -d "$rustlib/src/rust/library/std" ] || return 1
  local found
  found=$(/usr/bin/rustc --version | cut -d' ' -f2)
  [ "$(printf '%s\n' "$OLDEST" "$found" | sort -V | head -n1)" = "$OLDEST" ]
}

install_compiler() {
  say "installing rustc-web, cargo-web and rust-web-src"
  "${apt[@]}" update || die "the package lists cannot be refreshed; check the network, then try again"
  "${apt[@]}" install -y --no-install-recommends rustc-web cargo-web rust-web-src binutils >/dev/null \
    || die "Debian's packages cannot be installed; Debian 12 with its security updates has them"
  compiler_is_there \
    || die "Debian's Rust is $(/usr/bin/rustc --version), older than $OLDEST; enable the security updates"
}

# The C library for this target is in a later Debian release only. It holds no programs for this
# machine, so its files are taken out of the package and nothing is installed.
unpack_libc() {
  local keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | awk '/\/debian\/?$/ && !found++')
  [ -n "$mirror" ] || die "no Debian mirror is configured; add one to the package sources"
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  printf 'deb [signed-by=%s] %s trixie main\n' "$keys" "$mirror" >"$work/sources"
  local later=("${apt[@]}"
    -o Dir::Etc::sourcelist="$work/sources" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists"
    -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
  "${later[@]}" update
  (cd "$work" && "${later[@]}" download wasi-libc/trixie && dpkg -x wasi-libc_*.deb libc)
}

# An empty crate is compiled with -Zbuild-std, and the library that falls out is kept. Without its
# bitcode a guest with `lto = true` fails to link.
compile_std() {
  mkdir -p "$work/crate/src"
  : >"$work/crate/src/lib.rs"
  printf '[package]\nname = "nothing"\nversion = "0.0.0"\nedition = "2021"\n' >"$work/crate/Cargo.toml"
  (cd "$work/crate" && env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET \
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/out" \
    CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS=-Cembed-bitcode=yes \
    /usr/bin/cargo build --quiet --release --target "$target" -Zbuild-std=std,panic_abort) \
    || die "the standard library cannot be compiled; see above"
  rm -f "$work/out/$target"/release/deps/libnothing-*
}

lay_out() {
  rm -rf "$std"
  mkdir -p "$std/self-contained" "$rustlib/$host/bin"
  cp "$work/libc/usr/lib/$target"/* "$std/self-contained/"
  cp "$work/out/$target"/release/deps/*.rlib "$std/"
  # Beside the compiler they come before PATH, where an older wasm-ld may stand.
  ln -sfn "$LINKERS/rust-lld" "$LINKERS/wasm-component-ld" "$rustlib/$host/bin/"
  # Second line: a name for this very build, so that guests compiled against another are thrown away.
  { /usr/bin/rustc --version; date +%s.%N; } >"$stamp"
}

in_place() {
  compiler_is_there && [ "$(head -n1 "$stamp" 2>/dev/null)" = "$(/usr/bin/rustc --version)" ] \
    && [ -e "$rustlib/$host/bin/rust-lld" ] && [ -e "$rustlib/$host/bin/wasm-component-ld" ]
}

main() {
  if ! in_place; then
    command -v apt-get >/dev/null && command -v dpkg >/dev/null \
      || die "this is no Debian; add the target yourself with: rustup target add $target"
    [ "$(id -u)" = 0 ] \
      || die "needs root to install packages; as root run: cargo xtask guest-toolchain"
    [ -x "$LINKERS/rust-lld" ] && [ -x "$LINKERS/wasm-component-ld" ] \
      || die "no rust-lld and wasm-component-ld in $LINKERS; update the toolchain with rustup"
    exec 9>/run/larder-guest-toolchain.lock
    flock 9
    compiler_is_there || install_compiler
    if ! in_place; then
      say "compiling the standard library for $target"
      work=$(mktemp -d)
      trap 'rm -rf "$work"' EXIT
      unpack_libc
      compile_std
      lay_out
    fi
  fi
  rustup toolchain list | grep -q "^$TOOLCHAIN\b" || rustup toolchain link "$TOOLCHAIN" /usr
}

main
