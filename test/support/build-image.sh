#!/bin/sh
# Builds the Dockerfile of a checkout with buildah, on a base image made of Debian and this machine's Node and npm, and
# lays the image's files and its configuration into a folder. For test/support/built-image.ts, which says where all is.
# Runs in a mount namespace of its own: what is mounted here is gone with it.
set -eu
out=$1 checkout=$2 debian=$3 node=$4 npm=$5
export STORAGE_DRIVER=overlay BUILDAH_ISOLATION=chroot
buildah() { command buildah --root "$out/storage" --runroot "$out/run" "$@"; }

# Only what Debian has put there; tests that run at the same time make folders. Without their servers, and what is large.
mkdir -p "$out/empty/root" "$out/empty/tmp" "$out/empty/var" "$out/empty/run" "$out/empty/proc" "$out/empty/dev" "$out/empty/sys"
chmod 1777 "$out/empty/tmp"
# shellcheck disable=SC2046 # Several names.
tar --create --file "$out/base.tar" --exclude 'usr/bin/prom*' --exclude 'usr/bin/llama*' --exclude 'usr/bin/docker*' \
  --exclude usr/bin/amtool --exclude usr/libexec --exclude usr/share \
  --directory "$debian" $(cd "$debian" && echo bin etc lib* sbin usr) --directory "$out/empty" root tmp var run proc dev sys
base=$(buildah from scratch)
buildah add --quiet "$base" "$out/base.tar" /
buildah copy --quiet "$base" "$node" /usr/local/bin/node
buildah copy --quiet "$base" "$npm" /usr/local/lib/node_modules/npm
for name in npm npx; do
  buildah run "$base" ln -s "../lib/node_modules/npm/bin/$name-cli.js" "/usr/local/bin/$name"
done
buildah config --env PATH=/usr/local/bin:/usr/bin --env npm_config_prefer_offline=true "$base"
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  buildah copy --quiet "$base" "$NODE_EXTRA_CA_CERTS" /usr/local/share/ca.pem
  buildah config --env NODE_EXTRA_CA_CERTS=/usr/local/share/ca.pem "$base"
fi
buildah config --env "npm_config_registry=$(npm config get registry)" "$base"
buildah commit --quiet "$base" localhost/node

cache=$(npm config get cache)
mkdir -p "$cache"
buildah bud --pull-never --format docker --build-arg NODE_IMAGE=localhost/node \
  --volume "$cache:/root/.npm" --tag localhost/exporter "$checkout"
buildah inspect --type image localhost/exporter >"$out/config.json"
built=$(buildah from --pull-never localhost/exporter)
cp -a "$(buildah mount "$built")" "$out/root"

# Thousands of files, several times over.
buildah umount --all >/dev/null
rm -rf "$out/storage" "$out/run" "$out/base.tar" "$out/empty"
