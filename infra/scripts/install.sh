#!/bin/sh
# Installs the packages of the lock file unless they are there. Quiet when there is nothing to do; of
# several at once, one installs and the others wait for it. Refuses a Node older than `engines` says, which
# would end with errors of syntax in packages.
set -eu
cd "$(dirname "$0")/../.."
version=$(node --version 2>/dev/null) || version=
case $version in
  v2[1-9].* | v[3-9][0-9].* | v[1-9][0-9][0-9].* | v20.19.* | v20.[2-9][0-9].*) ;;
  '')
    echo 'Pyralog needs Node 20.19 or later. There is no node on the PATH.' >&2
    exit 1
    ;;
  *)
    echo "Pyralog needs Node 20.19 or later. This is Node ${version#v}." >&2
    exit 1
    ;;
esac
installed() { [ node_modules/.package-lock.json -nt package-lock.json ]; }
if installed; then exit 0; fi
. infra/scripts/lock.sh
lock installation
if installed; then exit 0; fi
echo "Installing packages (once) …" >&2
npm ci --no-audit --no-fund --loglevel=error >&2
touch node_modules/.package-lock.json
