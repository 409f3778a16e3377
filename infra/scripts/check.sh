#!/bin/sh
# What can be known without running the product: `npm run check`. Every check runs, whatever the others
# find, side by side where they do not need each other; what each has to say is shown where it fails.
set -u
cd "$(dirname "$0")/../.."
PATH="$PWD/node_modules/.bin:$PATH"
outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT
failed=0

begin() {
  ("$@" >"$outputs/$*" 2>&1 || touch "$outputs/$*.failed") &
}

# First: the linter reads the types of other packages as they are built.
tsc -b || failed=1
begin tsc -p tsconfig.test.json
begin oxlint
begin oxfmt --check
begin knip
begin knip --strict
wait
for mark in "$outputs"/*.failed; do
  [ -e "$mark" ] || continue
  failed=1
  printf '\n%s:\n' "$(basename "$mark" .failed)"
  cat "${mark%.failed}"
done

vitest run --project tidy --reporter=default --reporter=./test/reporter.ts || failed=1
exit "$failed"
