#!/bin/sh
# Installs the named Debian packages that are missing; says what to do if it cannot.
set -eu
missing=""
for package in "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "Needed and not found:$missing. This is no Debian system: install them by hand, then run make again." >&2
  exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
  sudo="sudo -n"
  $sudo true 2>/dev/null || {
    echo "Needed and not found:$missing. Install them as root: apt-get install$missing" >&2
    exit 1
  }
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ $sudo apt-get install -y -qq --no-install-recommends $missing || {
  $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends $missing
}; } >/dev/null || {
  echo "apt-get could not install:$missing. Look at: apt-get install$missing" >&2
  exit 1
}
