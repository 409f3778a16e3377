#!/bin/sh
# A cluster on this machine, for who has no containers: Kafka, S3 and Redis as kafka.sh, s3proxy.sh and redis.sh
# have them, and a process of each role of this clone.
#
#   sh infra/scripts/cluster.sh start [DIR] [PORT]   all of it, on loopback, with its data in DIR (.pyralog/cluster);
#                                                    HTTP on PORT (4000). Prints the addresses when all is ready
#   sh infra/scripts/cluster.sh stop [DIR]           ends it; start goes on with its data
#
# DIR/ROLE.log holds what a role says. Exit status as of server.sh, and 4 where a role does not start.
set -eu
usage() {
  echo 'usage: cluster.sh start [DIR] [PORT] | stop [DIR]' >&2
  exit 2
}
case "${1-} $#" in
  'start 1' | 'start 2' | 'start 3' | 'stop 1' | 'stop 2') ;;
  *) usage ;;
esac
root=$(cd "$(dirname "$0")/../.." && pwd -P)
dir=${2-$root/.pyralog/cluster}
port=${3-4000}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd -P)
roles='sequencer indexer api'

# runs ROLE: its process of DIR/ROLE.pid is alive and ours.
runs() {
  pid=$(cat "$dir/$1.pid" 2>/dev/null) && [ -n "$pid" ] &&
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "bin.js $1 "
}

# ended ROLE: waits until it is, at most 20 s.
ended() {
  tenths=0
  while runs "$1"; do
    [ "$tenths" -lt 200 ] || return 1
    sleep 0.1
    tenths=$((tenths + 1))
  done
}

stop() {
  for role in $roles; do
    if runs "$role"; then kill -TERM "$pid"; fi
  done
  for role in $roles; do
    ended "$role" || kill -KILL "$pid"
    rm -f "$dir/$role.pid"
  done
  for server in redis s3proxy kafka; do
    [ ! -d "$dir/$server" ] || sh "$root/infra/scripts/$server.sh" stop "$dir/$server"
  done
}

# begin ROLE PORT: a process of it, unless one runs.
begin() {
  if runs "$1"; then return 0; fi
  : >"$dir/$1.log"
  "$root/pyralog" "$1" --port "$2" >>"$dir/$1.log" 2>&1 </dev/null &
  echo "$!" >"$dir/$1.pid"
}

# ready ROLE: waits until it is, at most 60 s.
ready() {
  tenths=0
  until grep -q '^Ready' "$dir/$1.log"; do
    if [ "$tenths" -ge 600 ] || ! kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null; then
      echo "cluster.sh: the $1 does not start: $(tail -n 5 "$dir/$1.log")" >&2
      exit 4
    fi
    sleep 0.1
    tenths=$((tenths + 1))
  done
}

if [ "$1" = stop ]; then
  stop
  exit 0
fi

trap 'stop; exit 4' HUP INT TERM
sh "$root/infra/scripts/build.sh"
for server in kafka s3proxy redis; do mkdir -p "$dir/$server"; done
PYRALOG_KAFKA=$(sh "$root/infra/scripts/kafka.sh" start "$dir/kafka")
PYRALOG_S3=$(sh "$root/infra/scripts/s3proxy.sh" start "$dir/s3proxy")
PYRALOG_REDIS=$(sh "$root/infra/scripts/redis.sh" start "$dir/redis")
PYRALOG_BUCKET=pyralog
AWS_ACCESS_KEY_ID=testkey
AWS_SECRET_ACCESS_KEY=testsecret
export PYRALOG_KAFKA PYRALOG_S3 PYRALOG_REDIS PYRALOG_BUCKET AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
begin sequencer 0
begin indexer 0
begin api "$port"
for role in $roles; do ready "$role"; done
cat <<END
Kafka      $PYRALOG_KAFKA
S3         $PYRALOG_S3   bucket $PYRALOG_BUCKET, keys $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY
Redis      $PYRALOG_REDIS
Databases  http://127.0.0.1:$port/v1
Logs       $dir/{sequencer,indexer,api}.log
To stop it: sh infra/scripts/cluster.sh stop$([ "$dir" = "$root/.pyralog/cluster" ] || echo " $dir")
END
