#!/bin/sh
# A real Kafka, one broker on loopback, for tests and for whoever has no containers; server.sh tells the usage
# and the exit status. Its archives come from Maven, since there is no package of it.
set -eu
. "$(dirname "$0")/server.sh"
server=Kafka
kind=kafka
folder=$servers/kafka-$kafka_version

make() {
  needs_java
  needs mvn maven
  echo 'Getting Kafka (once) …' >&2
  maven "$1" copy-dependencies -f "$root/infra/kafka/pom.xml" -Dkafka="$kafka_version" \
    -Dlog4j="$log4j_version" -DincludeScope=runtime -DoutputDirectory="$1/libs"
  # A data folder to copy. All brokers may have the same id, since none meets another, and none need wait for
  # a second JVM to make one.
  (
    dir=$1/formatted port=1 inner_port=2
    fill kafka/server.properties "$1/formatted.properties"
  )
  java -XX:TieredStopAtLevel=1 -XX:-UsePerfData -cp "$1/libs/*" kafka.tools.StorageTool format \
    -t AAAAAAAAAAAAAAAAAAAAAQ -c "$1/formatted.properties" >"$1/formatted.log" 2>&1 ||
    fail 4 "its data cannot be formatted: $(tail -n 5 "$1/formatted.log")"
}

finish() { archive_classes; }

configure() {
  needs_java
  fill kafka/server.properties "$dir/server.properties"
  [ -e "$dir/data/meta.properties" ] || cp -R "$folder/formatted/data/." "$dir/data"
}

serve() {
  jvm -Dlog4j2.configurationFile="$root/infra/kafka/log4j2.properties" -cp "$folder/libs/*" kafka.Kafka \
    "$dir/server.properties"
}

address() { echo "127.0.0.1:$port"; }

main "$@"
