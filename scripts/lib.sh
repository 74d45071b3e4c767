# Shared by the scripts of this folder; sourced, not run.
# shellcheck shell=bash

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

say() { printf '\n==> %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

require_root() {
  [[ $EUID -eq 0 ]] || die "needs root (packages, network namespaces, TUN); run: sudo scripts/${0##*/} $*"
}

# A compiler cache is used where there is one; nothing depends on it.
if command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER="${CMAKE_CXX_COMPILER_LAUNCHER:-ccache}"
fi

# configure_and_build PRESET [TARGET...]: progress line by line, nothing to do costs a second or two.
configure_and_build() {
  local preset="$1"
  shift
  local configure_log
  configure_log="$(mktemp)"
  if ! (cd "$ROOT" && cmake --preset "$preset") >"$configure_log" 2>&1; then
    cat "$configure_log" >&2
    rm -f "$configure_log"
    return 1
  fi
  rm -f "$configure_log"
  local targets=()
  if [[ $# -gt 0 ]]; then targets=(--target "$@"); fi
  (cd "$ROOT" && cmake --build --preset "$preset" "${targets[@]}")
}

# binary PRESET NAME: where the build put it.
binary() {
  local candidate
  for candidate in "$ROOT/build/$1/ctl/$2" "$ROOT/build/$1/bin/$2" "$ROOT/build/$1/$2"; do
    if [[ -x $candidate && ! -d $candidate ]]; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}
