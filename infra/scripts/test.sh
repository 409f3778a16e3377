#!/bin/sh
# Everything there is to check, from a fresh clone on: `npm test`, and with the argument `full` what is
# too long for every day (`npm run test:full`). The last line counts the tests of all parts; a part that
# ends without having counted is one failure. `CI=true` makes failures of what cannot be run here.
set -u
cd "$(dirname "$0")/../.."
full=${1-}

counts=$(mktemp)
export PYRALOG_COUNTS="$counts"
close() {
  awk '{ p += $1; f += $2; s += $3 }
    END { printf "\n%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' "$counts"
  status=$?
  rm -f "$counts"
  exit "$status"
}
trap close EXIT
trap 'echo "0 1 0" >>"$counts"; exit 1' INT TERM
if ! sh infra/scripts/install.sh; then
  echo '0 1 0' >>"$counts"
  exit 1
fi

# part TITLE COMMAND …: runs it, says how long it took, and sees to it that a failure is counted.
part() {
  title=$1
  shift
  before=$(awk '{ f += $2 } END { print f + 0 }' "$counts")
  since=$(date +%s)
  printf '\n── %s\n' "$title"
  "$@"
  ended=$?
  printf '── %s: %s s\n' "$title" "$(($(date +%s) - since))"
  [ "$ended" -eq 0 ] && return 0
  [ "$(awk '{ f += $2 } END { print f + 0 }' "$counts")" -gt "$before" ] || echo '0 1 0' >>"$counts"
  return 1
}

# tests_on MAJOR ARGUMENT …: tests on another Node, or the reason why not.
tests_on() {
  if folder=$(sh infra/scripts/node.sh "$1"); then
    other=$("$folder/node" --version)
    if [ "$other" = "$(node --version)" ]; then return 0; fi
    shift
    (
      PATH="$folder:$PATH"
      part "tests on Node $other" vitest "$@"
    )
  elif [ "${CI-}" = true ]; then
    echo "There is no Node $1 to test on, and CI=true makes that a failure."
    echo '0 1 0' >>"$counts"
  else
    echo "Tests on Node $1 are skipped: there is none to be had."
    echo '0 0 1' >>"$counts"
  fi
}

vitest() {
  node node_modules/vitest/vitest.mjs run --reporter=default --reporter=./test/reporter.ts "$@"
}

# Real servers are got beside all that comes before their tests. Those ask again, and say what cannot be had.
get_servers() {
  for server in "$@"; do sh "infra/scripts/$server.sh" install; done
}
if [ "$full" = full ]; then set -- minio; else set --; fi
get_servers redis kafka s3proxy kcat kafka-tools "$@" >/dev/null 2>&1 </dev/null &

without_servers='--project unit --project contract --project oracle --project sim --project golden --project e2e'
on_servers='--project kafka --project s3 --project redis --project cluster'

# What does not compile cannot be tested; all else goes on, so that one run tells everything.
part 'types' npm run --silent build || exit 1
part 'rules of the house' npm run --silent check
if [ "$full" = full ]; then
  export PYRALOG_KILLS="${PYRALOG_KILLS-200}" PYRALOG_RUNS="${PYRALOG_RUNS-2000}" PYRALOG_SIMS="${PYRALOG_SIMS-1000}"
  part "tests on Node $(node --version)" vitest $without_servers
  part 'tests on real servers' vitest $on_servers
  PYRALOG_S3_SERVER=minio part 'tests on MinIO' vitest --project s3
  # The oldest that is admitted, where it may lack something; the others from end to end.
  tests_on 20 --project unit --project contract --project golden
  tests_on 22 $without_servers
  tests_on 24 $without_servers
else
  part "tests on Node $(node --version)" vitest $without_servers
  part 'tests on real servers' vitest $on_servers
  case $(node --version) in
    v22.*) other=24 ;;
    *) other=22 ;;
  esac
  tests_on "$other" --project unit --project contract --project tidy
fi
