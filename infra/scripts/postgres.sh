#!/bin/sh
# A throwaway PostgreSQL on loopback, for benchmarks to compare with: durable, a free port, its own folder.
#
#   sh infra/scripts/postgres.sh start DIR   makes a cluster in DIR unless there is one, starts it, waits
#                                            until it answers, prints its address
#   sh infra/scripts/postgres.sh stop DIR    ends it; DIR is the caller's to remove
#
# Installs PostgreSQL from Debian's packages where it is missing. As root the server runs as the user
# `postgres`, since it refuses to be root; DIR is given to that user.
# Exit status: 2 usage, 3 PostgreSQL is missing and cannot be installed, 4 it does not start or stop.
set -eu

fail() {
  status=$1
  shift
  echo "postgres.sh: $*" >&2
  exit "$status"
}

if [ $# -ne 2 ]; then fail 2 "usage: postgres.sh start|stop DIR"; fi
command=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
data=$dir/data
# Folders that its user may not enter are in nobody's way.
cd /

bin_dir() {
  for found in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) "$(dirname "$(command -v initdb || echo /none/initdb)")"; do
    if [ -x "$found/initdb" ] && [ -x "$found/postgres" ]; then
      echo "$found"
      return
    fi
  done
}

install() {
  command -v apt-get >/dev/null || fail 3 "PostgreSQL is missing, and there is no apt-get to install it with."
  [ "$(id -u)" -eq 0 ] || fail 3 "PostgreSQL is missing. Install it (apt-get install postgresql), or run this as root."
  echo "Installing PostgreSQL (once) …" >&2
  # Debian makes a cluster of its own at installation, on the usual port, unless told otherwise.
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -qq --no-install-recommends \
    -o Dpkg::Options::=--force-confold postgresql; } >&2 ||
    fail 3 "PostgreSQL is missing, and apt-get cannot install it (see above)."
}

# Runs a program as the user that the server runs as.
as_server() {
  if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

setting() { as_server sh -c 'echo "$2" >>"$1/postgresql.conf"' sh "$data" "$1"; }

create() {
  if [ "$(id -u)" -eq 0 ]; then chown postgres "$dir"; fi
  as_server "$bin/initdb" --pgdata "$data" --username postgres --auth trust --encoding UTF8 \
    --locale C >"$dir/initdb.log" 2>&1 || fail 4 "initdb failed: $(tail -n 3 "$dir/initdb.log")"
  port=$(node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
  setting "listen_addresses = '127.0.0.1'"
  setting "port = $port"
  setting "unix_socket_directories = '$dir'"
  setting "max_connections = 64"
  # An answered commit survives loss of power.
  setting "fsync = on"
  setting "synchronous_commit = on"
  setting "full_page_writes = on"
  # No replicas: less is written to the log.
  setting "wal_level = minimal"
  setting "max_wal_senders = 0"
  # All of the workload in memory, and checkpoints far apart.
  setting "shared_buffers = 1GB"
  setting "effective_cache_size = 4GB"
  setting "work_mem = 64MB"
  setting "maintenance_work_mem = 256MB"
  setting "wal_buffers = 64MB"
  setting "max_wal_size = 8GB"
  setting "checkpoint_timeout = 15min"
  # A solid-state disk, and queries too short to be worth compiling.
  setting "random_page_cost = 1.1"
  setting "jit = off"
}

start() {
  bin=$(bin_dir)
  if [ -z "$bin" ]; then
    install
    bin=$(bin_dir)
  fi
  [ -n "$bin" ] || fail 3 "PostgreSQL is missing after its installation."
  [ -e "$data/PG_VERSION" ] || create
  # Its server must not hold the caller's pipes open.
  as_server "$bin/pg_ctl" --pgdata "$data" --log "$dir/server.log" --wait --timeout 60 start \
    >"$dir/start.log" 2>&1 </dev/null || fail 4 "it does not start: $(tail -n 3 "$dir/server.log")"
  echo "postgresql://postgres@127.0.0.1:$(sed -n 's/^port = //p' "$data/postgresql.conf")/postgres"
}

stop() {
  [ -e "$data/postmaster.pid" ] || return 0
  bin=$(bin_dir)
  # By the process id in its folder; `fast` ends sessions and writes everything.
  as_server "$bin/pg_ctl" --pgdata "$data" --mode fast --wait --timeout 60 stop >/dev/null ||
    fail 4 "it does not stop: $(tail -n 3 "$dir/server.log")"
}

case $command in
start) start ;;
stop) stop ;;
*) fail 2 "usage: postgres.sh start|stop DIR" ;;
esac
