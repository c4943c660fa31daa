#!/usr/bin/env bash
# Which promises of docs/behaviour.md have a test? A test that proves a row has a name that begins with its id: a06_..., c07a_...
# Prints how many rows have one and, by name, those that have none yet. A test named after a row that does not exist is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

id() { # A6 -> a06, C7a -> c07a
  sed -E 's/^([A-H])([0-9]+)([a-z]?)$/\1 \2 \3/' <<<"$1" | { read -r letter number rest; printf '%s%02d%s\n' "${letter,,}" "$((10#$number))" "$rest"; }
}

rows=$(sed -nE 's/^([A-H][0-9]+[a-z]?) .*/\1/p' docs/behaviour.md)
[ -n "$rows" ] || { echo "docs/behaviour.md has no rows" >&2; exit 1; }
# Names of functions, and sentences in the lists of tests/it.
tests=$(grep -rhoE '(fn |")[a-h][0-9]{2}[a-z]?_[a-z0-9_]+' src tests migrations --include='*.rs' | sed -E 's/^(fn |")//' | sort -u || true)

known="" missing="" proved=0
for row in $rows; do
  key=$(id "$row")
  known+=" $key"
  if grep -q "^${key}_" <<<"$tests"; then proved=$((proved + 1)); else missing+=" $row"; fi
done
stray=$(sed -E 's/_.*//' <<<"$tests" | sort -u | while read -r key; do [ -z "$key" ] || case " $known " in *" $key "*) ;; *) echo "$key" ;; esac; done)
echo "behaviour: $proved of $(wc -w <<<"$rows") rows have a test with their name; none yet:${missing:- (every row has one)}"
if [ -n "$stray" ]; then
  echo "tests named after rows that docs/behaviour.md does not have: $(tr '\n' ' ' <<<"$stray")" >&2
  exit 1
fi
