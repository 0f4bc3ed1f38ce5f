#!/usr/bin/env bash
# The whole cloud run on this machine: starts Google's emulators of Pub/Sub and
# Firestore and the stand-ins for BigQuery and Cloud Storage, creates what a
# worker needs, runs the worker and a minute of load, and judges what came of it.
#
#     examples/local-cloud/run.sh [SECONDS [VEHICLES [PINGS_PER_SECOND]]]
#
# Needs Google's Cloud SDK with both emulators, Java, curl, and cargo, unless
# BIN names a folder with the binaries fleetstream, loadgen and local-cloud.
# Variables FLEETSTREAM_… are settings of the worker, as always. Nothing leaves
# this machine. The report, and the tables as Parquet, stay in the folder that is
# named at the end. Fails if the verdict is FAIL.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."
seconds="${1:-60}"
vehicles="${2:-200}"
rate="${3:-$vehicles}"
for number in "$seconds" "$vehicles" "$rate"; do
  if ! [[ $number =~ ^[1-9][0-9]{0,6}$ ]]; then
    echo "'$number' is no number of seconds, vehicles or pings a second: run.sh [SECONDS [VEHICLES [PINGS_PER_SECOND]]]" >&2
    exit 2
  fi
done
needed=(curl)
[[ -n ${BIN:-} ]] || needed+=(cargo)
for program in "${needed[@]}"; do
  command -v "$program" >/dev/null || { echo "$program is needed, and is not on PATH" >&2; exit 1; }
done

out="$(mktemp -d "${TMPDIR:-/tmp}/fleetstream-local-cloud.XXXXXX")"
children=()

# Ends what runs, the worker before the cloud that it drains into.
finish() {
  local pid
  for pid in "${children[@]}"; do
    kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
  done
  children=()
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Waits for a line in a file, for two minutes at the most, while a process lives.
await() {
  local file="$1" pattern="$2" pid="$3" i
  for ((i = 0; i < 1200; i++)); do
    grep -q -- "$pattern" "$file" 2>/dev/null && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  return 1
}

# Runs a command that is interrupted with this script: a shell looks at its
# traps between commands, and while it waits.
interruptible() {
  "$@" &
  local pid=$! status=0
  children=("$pid" "${children[@]}")
  wait "$pid" || status=$?
  children=("${children[@]:1}")
  return "$status"
}

# One row of an aggregate over a table, its columns separated by spaces.
query() {
  curl -fsS -H 'content-type: application/json' \
    -d "{\"query\": \"SELECT $1\", \"useLegacySql\": false}" \
    "$BIGQUERY_REST_ENDPOINT/bigquery/v2/projects/local-project/queries" |
    grep -o '"v": *"[^"]*"' | sed 's/.*"\([^"]*\)"$/\1/' | tr '\n' ' '
}

if [[ -z ${BIN:-} ]]; then
  echo "== building"
  interruptible cargo build --locked --quiet -p engine -p loadgen -p local-cloud
  BIN="${CARGO_TARGET_DIR:-target}/debug"
fi

echo "== starting the cloud"
"$BIN/local-cloud" up --out "$out/bigquery" >"$out/cloud.env" 2>"$out/cloud.log" &
cloud=$!
children=("$cloud")
if ! await "$out/cloud.env" '^LOCAL_CLOUD=up$' "$cloud"; then
  echo "the cloud of this machine does not start:" >&2
  cat "$out/cloud.log" >&2
  exit 1
fi
while IFS= read -r assignment; do
  [[ $assignment == *=* ]] && export "${assignment?}"
done <"$out/cloud.env"

echo "== tables and views"
"$BIN/fleetstream" bigquery ensure --config "$here/worker.toml"

load=(--profile "$here/load.toml" --out "$out/load" --seconds "$seconds" --vehicles "$vehicles" --rate "$rate")
"$BIN/loadgen" prepare "${load[@]}" >"$out/prepare.log"

echo "== starting the worker"
"$BIN/fleetstream" run --config "$here/worker.toml" --set "fences=$out/load/fences.geojson" \
  --data-dir "$out/worker" 2>"$out/worker.log" &
worker=$!
children=("$worker" "$cloud")
if ! await "$out/worker.log" '"message":"listening"' "$worker"; then
  echo "the worker does not start:" >&2
  tail -n 20 "$out/worker.log" >&2
  exit 1
fi
address="$(grep -m1 '"message":"listening"' "$out/worker.log" | sed 's/.*"address":"\([^"]*\)".*/\1/')"
echo "http://$address/ has the map while this runs"

echo "== load: $vehicles vehicles, $rate pings a second, for $seconds s"
verdict=0
interruptible "$BIN/loadgen" run "${load[@]}" --pid "$worker" \
  --target pubsub --topic "$PINGS_TOPIC" \
  --events-subscription "$EVENTS_SUBSCRIPTION" \
  --dead-letters-subscription "$DEAD_LETTERS_SUBSCRIPTION" \
  --positions "firestore:$FLEETSTREAM_FIRESTORE__DATABASE" \
  --archive "bigquery:$FLEETSTREAM_BIGQUERY__DATASET" || verdict=$?

echo "== what is there now"
echo "BigQuery, operations and distinct events: $(query 'COUNT(*), COUNT(DISTINCT event_id) FROM fleet.events')"
echo "objects of the journal:"
curl -fsS "$STORAGE_EMULATOR_HOST/storage/v1/b/local-journal/o" |
  grep -o '"name":"[^"]*"' | sed 's/"name":"//; s/[0-9]\{20\}.*//; s/"$//' | sort | uniq -c

finish
echo "== BigQuery's tables as Parquet"
find "$out/bigquery" -name '*.parquet' -exec ls -l {} +
echo "all of it is in $out; the report is load/report.html"
exit "$verdict"
