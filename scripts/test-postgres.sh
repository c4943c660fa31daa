#!/usr/bin/env bash
# A PostgreSQL cluster for one test run, thrown away afterwards: own directory, unix socket only, fsync on as in production.
#
#   scripts/test-postgres.sh start DIR     makes and starts the cluster in DIR (must not exist), prints its URL
#   scripts/test-postgres.sh halt DIR      stops it at once, as a crash would; the data stay
#   scripts/test-postgres.sh resume DIR    starts it again on the same data
#   scripts/test-postgres.sh stop DIR      stops it and removes DIR
#   scripts/test-postgres.sh run COMMAND   start, COMMAND with RELAIS_TEST_POSTGRES set to the URL, stop
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
if [ -z "$bin" ]; then
  initdb=$(command -v initdb || true)
  [ -n "$initdb" ] || { echo "PostgreSQL is missing: run make test-deps" >&2; exit 3; }
  bin=$(dirname "$(readlink -f "$initdb")")
fi

# initdb and postgres refuse to run as root: the packaged user runs them then.
as_postgres() { if [ "$(id -u)" = 0 ]; then su postgres -s /bin/bash -c "cd / && $(printf '%q ' "$@")"; else "$@"; fi; }

start() {
  local dir=$1
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  chmod 755 "$dir"
  [ "$(id -u)" != 0 ] || chown postgres "$dir"
  as_postgres "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$dir/log.initdb" 2>&1 ||
    { cat "$dir/log.initdb" >&2; exit 1; }
  resume "$dir"
  echo "postgres://postgres@localhost/postgres?host=$dir"
}

resume() {
  as_postgres "$bin/pg_ctl" -D "$1/data" -l "$1/data/log" -w -t 60 \
    -o "-c listen_addresses='' -c unix_socket_directories='$1' -c fsync=on -c max_connections=200" start >/dev/null ||
    { cat "$1/data/log" >&2; exit 1; }
}

halt() { as_postgres "$bin/pg_ctl" -D "$1/data" -m immediate -w stop >/dev/null; }

stop() {
  [ -d "$1/data" ] || return 0
  halt "$1" 2>/dev/null || true
  rm -rf "$1"
}

case ${1:-} in
  start) start "$2" ;;
  halt) halt "$2" ;;
  resume) resume "$2" ;;
  stop) stop "$2" ;;
  run)
    shift
    dir=$(mktemp -d "${TMPDIR:-/tmp}/relais-postgres.XXXXXX")
    trap 'stop "$dir"' EXIT
    RELAIS_TEST_POSTGRES=$(start "$dir")
    export RELAIS_TEST_POSTGRES
    "$@"
    ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
