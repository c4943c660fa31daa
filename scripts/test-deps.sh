#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: DCMTK, PostgreSQL (its programs, no running cluster), a Python environment with
# foreign peers under target/peers, and Node.js with foreign FHIR programs under target/peers/node. Doing it twice does nothing, and what
# is installed needs no network.
#
#   scripts/test-deps.sh           install what is missing; not root and something to install: print the commands, exit 3
#   scripts/test-deps.sh --check   install nothing; exit 0 if all is there, else 1 with one line per missing thing
set -euo pipefail
cd "$(dirname "$0")/.."

peers=target/peers
requirements=scripts/peers-requirements.txt
node=$peers/node
node_requirements=tests/interop/peers/fhir

# Debian's own Python where there is one: others on PATH may lack venv or be a shim.
python() { if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3 || true; fi; }
has_venv() { local p; p=$(python); [ -n "$p" ] && "$p" -c 'import venv, ensurepip' 2>/dev/null; }
has_initdb() { [ -n "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || command -v initdb >/dev/null; }
# DCMTK by its full path: a Python environment may put programs of the same names in front.
has_dcmtk() { [ -x /usr/bin/findscu ] && [ -x /usr/bin/echoscu ]; }
has_peers() { [ -x $peers/bin/python ] && cmp -s $requirements $peers/installed.txt; }
# Any Node.js from 18 on, Debian's own or another.
has_nodejs() { command -v node >/dev/null && command -v npm >/dev/null && node -e 'process.exit(+(parseInt(process.versions.node) < 18))'; }
has_node() { cmp -s $node_requirements/package-lock.json $node/installed.json && command -v node >/dev/null; }

packages() {
  has_dcmtk || echo dcmtk
  has_initdb || echo postgresql
  # The environment is only built by a Python that can; once built it stands alone.
  has_peers || has_venv || echo python3-venv
  has_node || has_nodejs || echo nodejs npm
}

if [ "${1:-}" = --check ]; then
  missing=$(packages
    has_peers || echo "$peers (pynetdicom, pydicom, python-hl7, fhirkit, jsonschema)"
    has_node || echo "$node (@medplum/fhir-router, fhir)")
  [ -z "$missing" ] && exit 0
  sed 's/^/missing: /' <<<"$missing" >&2
  exit 1
fi

wanted=$(packages | tr '\n' ' ')
if [ -n "$wanted" ]; then
  keep_cluster_off='sed -i -E "s/^#?create_main_cluster.*/create_main_cluster = false/" /etc/postgresql-common/createcluster.conf'
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    {
      echo "The tests need packages that only root can install. On Debian 12:"
      echo "    apt-get update"
      case $wanted in *postgresql*)
        echo "    apt-get install -y --no-install-recommends postgresql-common"
        echo "    $keep_cluster_off" ;;
      esac
      echo "    apt-get install -y --no-install-recommends $wanted"
      echo "Then run make test-deps again."
    } >&2
    exit 3
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  case $wanted in *postgresql*)
    # Without this Debian starts a cluster of its own, which the tests do not use.
    apt-get install -y -q --no-install-recommends postgresql-common
    eval "$keep_cluster_off" ;;
  esac
  # shellcheck disable=SC2086  # a list of words on purpose
  apt-get install -y -q --no-install-recommends $wanted
fi

if ! has_peers; then
  rm -rf $peers
  "$(python)" -m venv $peers
  # The file lists them with their dependencies.
  $peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r $requirements
  cp $requirements $peers/installed.txt
fi
if ! has_node; then
  rm -rf $node
  mkdir -p $node
  cp $node_requirements/package.json $node_requirements/package-lock.json $node
  # The lock file names each package by its hash.
  (cd $node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp $node_requirements/package-lock.json $node/installed.json
fi
"$0" --check
echo "test dependencies: complete"
