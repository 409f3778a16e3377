#!/bin/sh
# The command-line clients of Kafka, as outsiders have them: `kafka-tools.sh install` gets them once, into
# .cache/servers, and prints the class path. Exit status as in server.sh.
set -eu
. "$(dirname "$0")/server.sh"
server='Tools of Kafka'
folder=$servers/kafka-tools-$kafka_version

make() {
  needs_java
  needs mvn maven
  echo 'Getting the tools of Kafka (once) …' >&2
  maven "$1" copy-dependencies -f "$root/infra/kafka/tools.xml" -Dkafka="$kafka_version" -Dlog4j="$log4j_version" \
    -DincludeScope=runtime -DoutputDirectory="$1/libs"
}

[ "$*" = install ] || fail 2 "usage: $(basename "$0") install"
install
echo "$folder/libs/*"
