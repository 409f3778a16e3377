#!/bin/sh
# Installs the packages of the lock file where they are not there yet. Quiet when there is nothing to do.
set -eu
cd "$(dirname "$0")/../.."
stamp=node_modules/.installed
if [ -f "$stamp" ] && cmp -s package-lock.json "$stamp"; then exit 0; fi
echo "Installing packages …" >&2
npm ci --no-audit --no-fund --loglevel=error >&2
cp package-lock.json "$stamp"
