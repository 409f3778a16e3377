#!/bin/sh
# MinIO on loopback, a second S3 to test on; server.sh tells the usage and the exit status. Go builds it, once,
# which takes minutes: there are no binaries of it. Keys are testkey and testsecret, and there is a bucket
# `pyralog`.
set -eu
. "$(dirname "$0")/server.sh"
server=MinIO
kind=s3
folder=$servers/minio-$minio_version

make() {
  needs go golang-go
  echo 'Building MinIO (once, for minutes) …' >&2
  # All that Go would leave in the home and the system's temporary folder. The program alone is kept.
  mkdir -p "$1/go/tmp"
  if ! HOME="$1/go" GOPATH="$1/go" GOCACHE="$1/go/cache" GOMODCACHE="$1/go/mod" GOTMPDIR="$1/go/tmp" \
    GOBIN="$1" GOFLAGS=-modcacherw GOWORK=off GOTELEMETRY=off CGO_ENABLED=0 go install -trimpath -ldflags '-s -w' \
    "github.com/minio/minio@$minio_version" >"$1/go.log" 2>&1; then
    cat "$1/go.log" >&2
    fail 3 'Go cannot build MinIO (see above).'
  fi
  rm -rf "$1/go" "$1/go.log"
}

configure() { :; }

serve() {
  export HOME="$dir/tmp" MINIO_ROOT_USER=testkey MINIO_ROOT_PASSWORD=testsecret
  export MINIO_BROWSER=off MINIO_UPDATE=off MINIO_CI_CD=1
  exec "$folder/minio" server "$dir/data" --address "127.0.0.1:$port" --certs-dir "$dir/tmp/certs" --quiet
}

address() { echo "http://127.0.0.1:$port"; }

main "$@"
