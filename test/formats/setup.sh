#!/bin/sh
# Makes the Python environment of the tests that hold what we read and write against other programs, once: a venv in
# .cache/python of the repository with the versions of requirements.txt. Prints its interpreter. Ends
# with 3 where there is no usable Python, and with another code where the packages cannot be had.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache
venv=$cache/python
stamp=$venv/requirements.txt

if ! cmp -s "$here/requirements.txt" "$stamp"; then
  python=$(command -v python3.11 || command -v python3 || true)
  if [ -z "$python" ] || ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >&2; then
    echo 'Python 3.11 or newer with venv and pip is needed.' >&2
    exit 3
  fi
  mkdir -p "$cache"
  # Tests run beside each other: one makes it, the others wait.
  exec 9>"$cache/python.lock"
  flock 9
  if ! cmp -s "$here/requirements.txt" "$stamp"; then
    rm -rf "$venv"
    "$python" -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$stamp"
  fi
fi
echo "$venv/bin/python"
