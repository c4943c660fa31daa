#!/usr/bin/env bash
# Installs the peers that `make bench` measures beside Relais: DCMTK and Orthanc with its worklist plugin (Debian), pynetdicom and
# hl7v2-fhir-bridge (a Python environment), simple-hl7 and better-sqlite3 (Node), all pinned, under target/bench-peers; and strace.
# Doing it twice does nothing.
#
#   scripts/bench-deps.sh           install what is missing; not root and something to install: print the commands, exit 3
#   scripts/bench-deps.sh --check   install nothing; exit 0 if all is there, else 1 with one line per missing thing
set -euo pipefail
cd "$(dirname "$0")/.."

peers=target/bench-peers
pinned=benches/peers

python() { if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3 || true; fi; }
has_venv() { local p; p=$(python); [ -n "$p" ] && "$p" -c 'import venv, ensurepip' 2>/dev/null; }
has_orthanc() { [ -x /usr/sbin/Orthanc ] && ls /usr/lib/orthanc/libModalityWorklists.so* >/dev/null 2>&1; }
has_python_peers() { [ -x $peers/python/bin/hl7v2-fhir-bridge ] && cmp -s $pinned/requirements.txt $peers/python.txt; }
has_node_peers() { [ -d $peers/node_modules/better-sqlite3/build ] && cmp -s $pinned/package-lock.json $peers/node.txt; }

packages() {
  [ -x /usr/bin/wlmscpfs ] || echo dcmtk
  has_orthanc || echo orthanc
  command -v strace >/dev/null || echo strace
  has_python_peers || has_venv || echo python3-venv
  # better-sqlite3 is compiled here where no built one can be had.
  command -v npm >/dev/null || echo npm
  has_node_peers || command -v c++ >/dev/null || echo build-essential
}

if [ "${1:-}" = --check ]; then
  missing=$(packages; has_python_peers || echo "$peers/python"; has_node_peers || echo "$peers/node_modules")
  [ -z "$missing" ] && exit 0
  sed 's/^/missing: /' <<<"$missing" >&2
  echo "run make bench-deps" >&2
  exit 1
fi

wanted=$(packages | tr '\n' ' ')
if [ -n "$wanted" ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    {
      echo "The benches need packages that only root can install. On Debian 12:"
      echo "    apt-get update"
      echo "    apt-get install -y --no-install-recommends $wanted"
      echo "Then run make bench-deps again."
    } >&2
    exit 3
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  # shellcheck disable=SC2086  # a list of words on purpose
  apt-get install -y -q --no-install-recommends $wanted
fi

mkdir -p $peers
if ! has_python_peers; then
  rm -rf $peers/python
  "$(python)" -m venv $peers/python
  $peers/python/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r $pinned/requirements.txt
  cp $pinned/requirements.txt $peers/python.txt
fi
if ! has_node_peers; then
  cp $pinned/package.json $pinned/package-lock.json $peers/
  npm --prefix $peers ci --no-audit --no-fund --loglevel=error
  cp $pinned/package-lock.json $peers/node.txt
fi
"$0" --check
echo "bench dependencies: complete"
