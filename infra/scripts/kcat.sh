#!/bin/sh
# kcat, a producer on librdkafka: `kcat.sh install` prints a command that runs it. It takes the one of the PATH,
# otherwise that of Debian's package, once, into .cache/servers. Exit status as in server.sh.
set -eu
. "$(dirname "$0")/server.sh"
server=kcat
folder=$servers/kcat-$kcat_version

make() {
  echo 'Getting kcat (once) …' >&2
  debian "$1" kcat
  cat >"$1/kcat" <<'END'
#!/bin/sh
folder=$(dirname "$0")
export LD_LIBRARY_PATH="$(echo "$folder"/usr/lib/*-linux-gnu*)"
exec "$folder/usr/bin/kcat" "$@"
END
  chmod +x "$1/kcat"
}

[ "$*" = install ] || fail 2 "usage: $(basename "$0") install"
if command -v kcat; then exit 0; fi
install
echo "$folder/kcat"
