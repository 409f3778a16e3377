#!/bin/sh
# Compiles what has changed since it was compiled last. Quiet and quick when nothing has; of several at
# once, one compiles and the others wait for it.
set -eu
cd "$(dirname "$0")/../.."
sh infra/scripts/install.sh
stamp=node_modules/.compiled
compiled() {
  [ -e "$stamp" ] || return 1
  newer=$(find libs services tsconfig*.json package-lock.json -name dist -prune -o \
    \( -name '*.ts' -o -name '*.json' \) -newer "$stamp" -print)
  [ -z "$newer" ]
}
if compiled; then exit 0; fi
. infra/scripts/lock.sh
lock compilation
if compiled; then exit 0; fi
# Of the moment before, so that what is edited meanwhile is compiled the next time.
touch "$stamp.next"
node_modules/.bin/tsc -b >&2
mv "$stamp.next" "$stamp"
