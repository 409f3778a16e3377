#!/bin/sh
# Versions of the servers behind the ports, in one place: the scripts beside this file install them,
# docker-compose.yml takes the same as images, and test/infra holds the two together.
# shellcheck disable=SC2034
kafka_version=4.1.1
# The log4j that this Kafka brings: another one here would change both.
log4j_version=2.24.3
s3proxy_version=4.0.0
# Its last commit, as Go names it: no release is made of it any more.
minio_version=v0.0.0-20260212201848-7aac2a2c5b7c
# What Debian 12 has. A redis-server on the PATH will do from 7.0 on.
redis_version=7.0.15
# What Debian 12 has. Any kcat on the PATH will do.
kcat_version=1.7.1
# Of Maven, which fetches what is written in Java.
maven_dependency_version=3.8.1
