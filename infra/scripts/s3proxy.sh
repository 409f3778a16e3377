#!/bin/sh
# An S3 on loopback that keeps objects in a folder, for tests and for whoever has no containers; server.sh
# tells the usage and the exit status. Puts on condition that there is no such object (If-None-Match) are
# atomic in it; those on condition of a version (If-Match) are not. Keys are testkey and testsecret, and
# there is a bucket `pyralog`.
set -eu
. "$(dirname "$0")/server.sh"
server=S3Proxy
kind=s3
folder=$servers/s3proxy-$s3proxy_version

make() {
  needs_java
  needs mvn maven
  echo 'Getting S3Proxy (once) …' >&2
  maven "$1" copy -Dartifact="org.gaul:s3proxy:$s3proxy_version:jar:jar-with-dependencies" \
    -DoutputDirectory="$1" -Dmdep.stripVersion=true
}

finish() { archive_classes; }

configure() {
  needs_java
  fill s3proxy/s3proxy.properties "$dir/s3proxy.properties"
}

serve() {
  jvm -Dlogback.configurationFile="$root/infra/s3proxy/logback.xml" -jar "$folder"/s3proxy-*.jar \
    --properties "$dir/s3proxy.properties"
}

address() { echo "http://127.0.0.1:$port"; }

main "$@"
