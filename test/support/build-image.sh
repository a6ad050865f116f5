#!/bin/sh
# Builds the Dockerfile of a checkout with buildah, on a base image made of Debian and this machine's Node and npm, and
# lays the image's files and its configuration into a folder. For test/support/built-image.ts, which says where all is.
# Runs in a mount namespace of its own: what is mounted here is gone with it.
set -eu
out=$1 checkout=$2 debian=$3 node=$4 npm=$5
export STORAGE_DRIVER=overlay BUILDAH_ISOLATION=chroot
buildah() { command buildah --root "$out/storage" --runroot "$out/run" "$@"; }

# Without the servers that other tests start, and what is large.
tar --create --file "$out/base.tar" --directory "$debian" --exclude './usr/bin/prom*' --exclude './usr/bin/llama*' \
  --exclude './usr/bin/docker*' --exclude ./usr/bin/amtool --exclude ./usr/libexec --exclude ./usr/share \
  --exclude './var/*' --exclude './proc/*' --exclude './dev/*' .
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
rm -rf "$out/storage" "$out/run" "$out/base.tar"
