#!/bin/sh
# A real Redis on loopback, for tests and for whoever has no containers; server.sh tells the usage and the
# exit status. Takes the redis-server of the PATH where it is new enough, otherwise that of Debian's package.
set -eu
. "$(dirname "$0")/server.sh"
server=Redis
kind=redis
folder=$servers/redis-$redis_version

if redis=$(command -v redis-server) && "$redis" --version | grep -qE ' v=([7-9]|[1-9][0-9])\.'; then
  install() { :; }
else
  redis=$folder/usr/bin/redis-server
fi

make() {
  echo 'Getting Redis (once) …' >&2
  debian "$1" redis-server
}

configure() {
  cp "$root/infra/redis/redis.conf" "$dir/redis.conf"
  cat >>"$dir/redis.conf" <<END
bind 127.0.0.1
port $port
dir "$dir/data"
END
}

serve() {
  case $redis in
  "$folder"/*) export LD_LIBRARY_PATH="$(echo "$folder"/usr/lib/*-linux-gnu*)" ;;
  esac
  exec "$redis" "$dir/redis.conf"
}

address() { echo "redis://127.0.0.1:$port"; }

main "$@"
