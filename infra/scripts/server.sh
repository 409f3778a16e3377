#!/bin/sh
# What the scripts of servers share (kafka.sh, s3proxy.sh, minio.sh, redis.sh), each of which is
#
#   sh infra/scripts/NAME.sh install           gets the server unless it is there, into .cache/servers
#   sh infra/scripts/NAME.sh start DIR [PORT]  installs and starts it on loopback with its data in DIR,
#                                              waits until it answers, prints its address. Without PORT it
#                                              takes the port that it had in DIR, or a free one
#   sh infra/scripts/NAME.sh stop DIR          ends it; DIR is the caller's to remove
#
# DIR/pid holds its process id, DIR/server.log what it says. All of it needs Linux, and Node to ask whether
# it answers.
# Exit status: 2 usage, 3 it cannot be had here, 4 it does not start or stop.
#
# A script says in `server` what it is called, in `kind` how it is asked (answers.mjs) and defines
#   make FOLDER   fills a new folder with what is installed
#   finish        makes what needs it in its place, and may be left out
#   configure     writes its settings below $dir, for $port
#   serve         becomes the server by `exec`; $dir is in its command line, which tells it from others
#   address       prints it
# and in `folder` what `make` makes.

root=$(cd "$(dirname "$0")/../.." && pwd -P)
servers=$root/.cache/servers
. "$root/infra/scripts/versions.sh"

fail() {
  status=$1
  shift
  echo "$(basename "$0"): $*" >&2
  exit "$status"
}

# needs PROGRAM PACKAGE: there is no going on without it.
needs() {
  command -v "$1" >/dev/null || fail 3 "$server needs $1, which is not on the PATH. Install it (Debian: $2)."
}

needs_java() {
  needs java openjdk-17-jre-headless
  java_version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${java_version:-0}" -ge 17 ] ||
    fail 3 "$server needs Java 17 or later. This is Java ${java_version:-of no version}."
}

# maven FOLDER GOAL ARGUMENT …: with a repository of its own, since Maven guards none against itself.
maven() {
  repository=$1/m2
  goal=org.apache.maven.plugins:maven-dependency-plugin:$maven_dependency_version:$2
  shift 2
  if ! MAVEN_OPTS="-XX:-UsePerfData -Djava.io.tmpdir=$servers" mvn -q -B -C \
    -Dmaven.repo.local="$repository" "$goal" "$@" >"$repository.log" 2>&1; then
    cat "$repository.log" >&2
    fail 3 "Maven cannot get $server (see above)."
  fi
  rm -rf "$repository" "$repository.log"
}

# debian FOLDER PACKAGE: unpacks a package of Debian with the libraries that this machine lacks, which needs no
# root and starts no server of the system. Lists and archives of its own need no lock of the system's.
debian() {
  needs apt-get apt
  needs dpkg-deb dpkg
  apt=$1/apt
  mkdir -p "$apt/lists/partial" "$apt/archives/partial"
  if ! {
    own_apt update && own_apt install --yes --download-only --no-install-recommends "$2"
  } >"$1/log" 2>&1; then
    cat "$1/log" >&2
    fail 3 "apt-get cannot get $server (see above)."
  fi
  for package in "$apt"/archives/*.deb; do dpkg-deb --extract "$package" "$1"; done
  rm -r "$apt" "$1/log"
}

own_apt() {
  apt-get -q -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Dir::State::lists="$apt/lists" \
    -o Dir::Cache="$apt" "$@"
}

finish() { :; }

# What a server in Java does to finish: a first run keeps the classes that it has loaded, which halves the
# work of every later one. Without them, or with those of another Java, nothing but that changes.
archive_classes() {
  archive=$(mktemp -d "$folder/run.XXXXXX")
  if PYRALOG_JVM="-XX:ArchiveClassesAtExit=$archive/classes.jsa" sh "$0" start "$archive" >/dev/null; then
    sh "$0" stop "$archive"
    mv "$archive/classes.jsa" "$folder/classes.jsa" 2>/dev/null || true
  fi
  rm -rf "$archive"
}

# fill FROM TO: settings for $dir, $port and $inner_port.
fill() {
  escaped=$(printf '%s' "$dir" | sed 's/[&|\\]/\\&/g')
  sed -e "s|@PORT@|$port|g" -e "s|@INNER_PORT@|$inner_port|g" -e "s|@DIR@|$escaped|g" "$root/infra/$1" >"$2"
}

# jvm ARGUMENT …: becomes Java as tests want it: ready soon and small, not fast for long.
jvm() {
  exec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Djava.io.tmpdir="$dir/tmp" \
    "${PYRALOG_JVM:--XX:SharedArchiveFile=$folder/classes.jsa}" "$@"
}

# Made beside and moved whole, so that a half one is never taken for it. Of several at once one makes it, the
# others wait.
install() {
  if [ -d "$folder" ]; then return 0; fi
  needs flock util-linux
  mkdir -p "$servers"
  exec 9>"$folder.lock"
  flock 9
  if [ ! -d "$folder" ]; then
    # Of one that was killed.
    rm -rf "$folder".[0-9]*
    draft=$folder.$$
    trap 'rm -rf "$draft"' EXIT
    trap 'exit 4' HUP INT TERM
    mkdir "$draft"
    make "$draft"
    mv -T "$draft" "$folder"
    trap - EXIT HUP INT TERM
    finish
  fi
  exec 9>&-
}

# Whether the process of $dir/pid is alive and ours: a number may have gone to another since. A zombie has no
# command line.
ours() {
  pid=$(cat "$dir/pid" 2>/dev/null) && [ -n "$pid" ] &&
    tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$dir/"
}

# free_ports COUNT: random ones below those that the system gives to clients. A client that tries to
# reach a server while that is down may otherwise be given its port, and then nobody can listen there.
free_ports() {
  node -e '
    const { createServer } = require("node:net");
    const ports = new Set();
    const next = () => {
      if (ports.size === Number(process.argv[1])) return console.log([...ports].join(" "));
      const port = 16_384 + Math.floor(Math.random() * 16_000);
      const server = createServer().once("error", next);
      server.listen(port, "127.0.0.1", () => server.close(() => next(ports.add(port))));
    };
    next();' "$1"
}

# Starting and stopping wait for each other, so that whoever stops a server that is just coming up leaves
# none.
hold() {
  needs flock util-linux
  exec 8>"$dir/lock"
  flock 8
}

answers() { node "$root/infra/scripts/answers.mjs" "$kind" "127.0.0.1:$port" "$pid"; }

start() {
  install
  needs node nodejs
  hold
  if ours; then
    port=$(cut -d ' ' -f 1 "$dir/port")
    answers || fail 4 "it runs and does not answer."
    address
    return
  fi
  [ -s "$dir/port" ] || free_ports 2 >"$dir/port"
  [ -z "$wanted" ] || echo "$wanted $(cut -d ' ' -f 2 "$dir/port")" >"$dir/port"
  port=$(cut -d ' ' -f 1 "$dir/port")
  # Ports of its own dealings, where it has any.
  inner_port=$(cut -d ' ' -f 2 "$dir/port")
  mkdir -p "$dir/data" "$dir/tmp"
  configure
  # It must not hold the caller's pipes open.
  (serve) >>"$dir/server.log" 2>&1 </dev/null 8>&- &
  pid=$!
  echo "$pid" >"$dir/pid"
  trap 'end; exit 4' HUP INT TERM
  if ! answers; then
    end
    fail 4 "$server does not start: $(tail -n 20 "$dir/server.log")"
  fi
  address
}

stop() {
  hold
  end
}

end() {
  if ours; then
    kill -TERM "$pid" 2>/dev/null || true
    # One that is stopped hears nothing before it goes on.
    kill -CONT "$pid" 2>/dev/null || true
    ended || {
      kill -KILL "$pid" 2>/dev/null || true
      ended || fail 4 "$server does not end: process $pid."
    }
  fi
  rm -f "$dir/pid"
}

# Waits until it has ended, at most 10 s.
ended() {
  tenths=0
  while ours; do
    [ "$tenths" -lt 100 ] || return 1
    sleep 0.1
    tenths=$((tenths + 1))
  done
}

main() {
  usage="usage: $(basename "$0") install | start DIR [PORT] | stop DIR"
  wanted=
  case "${1-} $#" in
    'install 1') ;;
    'start 2' | 'stop 2') ;;
    'start 3')
      wanted=$3
      case $wanted in *[!0-9]* | '') fail 2 "$usage" ;; esac
      ;;
    *) fail 2 "$usage" ;;
  esac
  if [ "$1" = stop ] && [ ! -d "$2" ]; then return 0; fi
  if [ $# -gt 1 ]; then
    mkdir -p "$2"
    dir=$(cd "$2" && pwd -P)
  fi
  "$1"
}
