# shellcheck shell=sh
# To be sourced. `lock NAME` waits until no other process is at it, and lets go of it at the end.
lock() {
  lock=.lock-$1
  waited=0
  until mkdir "$lock" 2>/dev/null; do
    if [ "$waited" -ge 300 ]; then
      echo "Another $1 has been running for 5 minutes. If it has not, remove $PWD/$lock." >&2
      exit 1
    fi
    sleep 1
    waited=$((waited + 1))
  done
  trap 'rmdir "$lock"' EXIT
}
