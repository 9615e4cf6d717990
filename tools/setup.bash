# Sourced by the other tools: installs what is missing, and builds.
# Debian package names; the headers are needed to build, the libraries to run.

graft_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

graft_build_packages=(
  libhdf5-dev libjpeg62-turbo-dev libpng-dev libwebp-dev libtiff-dev libopenjp2-7-dev
  libcurl4-openssl-dev libssl-dev libarchive-dev libyaml-dev libzip-dev zlib1g-dev pkg-config
)
graft_test_packages=(python3 python3-venv python3-pip)

# Installs the Debian packages among the arguments that are missing.
graft_require_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null; then
      as_root=(sudo)
    else
      echo "These Debian packages are missing; please install them: ${missing[*]}" >&2
      return 69
    fi
  fi
  echo "Installing ${missing[*]} …" >&2
  "${as_root[@]}" apt-get update -qq >&2 &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq "${missing[@]}" >&2 || {
    echo "Could not install: ${missing[*]}. Please install them and try again." >&2
    return 69
  }
}

graft_require_swift() {
  command -v swift >/dev/null && return 0
  echo "Swift 6.2 or newer is needed: see https://www.swift.org/install/linux/" >&2
  return 69
}

# Builds a product in release form. Says on standard error how far it is, in one line on a terminal
# and now and then elsewhere; prints nothing if there is nothing to build, and all of the log if it
# fails.
graft_build() {
  local log line step shown="" begun=$SECONDS said=$((SECONDS - 28)) status=0
  log=$(mktemp)
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    # [12/345] Compiling Module file.swift
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    step="Building Graft: step ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]}, $((SECONDS - begun)) s"
    [ $((SECONDS - begun)) -ge 2 ] || continue
    if [ -t 2 ]; then
      printf '\r\033[K%s' "$step" >&2
      shown=1
    elif [ $((SECONDS - said)) -ge 30 ]; then
      echo "$step" >&2
      said=$SECONDS
    fi
  done < <(swift build --package-path "$graft_root" -c release --product "$1" 2>&1 ||
    echo "graft-build-failed")
  [ -n "$shown" ] && printf '\r\033[K' >&2
  if [ "$(tail -n 1 "$log")" = graft-build-failed ]; then
    sed '$d' "$log" >&2
    status=70
  fi
  rm -f "$log"
  return $status
}

# Makes a Python environment with the packages of a requirements file, by default those of the
# tests, and prints its python. It is kept outside of the checkout, by what the file says; NAME
# keeps one apart that gets more packages. Usage: graft_python [FILE [NAME]]
graft_python() {
  local wanted="${1:-$graft_root/tools/python/requirements.txt}" digest environment
  local folder="${XDG_CACHE_HOME:-$HOME/.cache}/graft-tools"
  digest=$({ python3 --version && cat "$wanted"; } | sha256sum | cut -c 1-16)
  environment="$folder/python-${2:+$2-}$digest"
  mkdir -p "$folder" || return 73
  # One process makes it; others wait.
  (
    flock 9
    [ -e "$environment/complete" ] && exit
    echo "Making a Python environment in $environment …" >&2
    rm -rf "$environment"
    python3 -m venv "$environment" >&2 &&
      "$environment/bin/pip" install -q --disable-pip-version-check -r "$wanted" >&2 &&
      touch "$environment/complete"
  ) 9>"$environment.lock" || return 69
  echo "$environment/bin/python"
}
