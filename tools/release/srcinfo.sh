#!/usr/bin/env bash
# Prints the .SRCINFO of a PKGBUILD with one package, as `makepkg --printsrcinfo` does: `srcinfo.sh PKGBUILD`. A release is
# made on machines without makepkg.
# shellcheck disable=SC1090,SC2154
set -euo pipefail
source "$1"

lines() {
  local -n values=$1
  local value
  for value in "${values[@]}"; do
    printf '\t%s = %s\n' "$1" "$value"
  done
}

echo "pkgbase = $pkgname"
for name in pkgdesc pkgver pkgrel url arch license depends backup source sha256sums; do
  lines "$name"
done
printf '\npkgname = %s\n' "$pkgname"
