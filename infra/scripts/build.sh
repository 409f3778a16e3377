#!/bin/sh
# Compiles what has changed since it was compiled last. Quiet and quick when nothing has, and says that it
# is at work when that takes long enough to be noticed; of several at once, one compiles and the others
# wait for it.
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
if [ -e "$stamp" ]; then what='what has changed'; else what='(once)'; fi
(
  # It may outlive this for a moment: whoever reads what this prints is not to wait for it.
  sleep 1 </dev/null >/dev/null 2>&1
  echo "Compiling $what …" >&2
) &
notice=$!
status=0
node_modules/.bin/tsc -b >&2 || status=$?
kill "$notice" 2>/dev/null || :
[ "$status" -eq 0 ] || exit "$status"
mv "$stamp.next" "$stamp"
