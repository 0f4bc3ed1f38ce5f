#!/usr/bin/env bash
# The whole cloud run on this machine: starts Google's emulators of Pub/Sub and
# Firestore and the stand-ins for BigQuery and Cloud Storage, creates what a
# worker needs, runs the worker and a minute of driving, shows what came of it.
#
#     examples/local-cloud/run.sh [SECONDS [VEHICLES]]
#
# Needs Google's Cloud SDK with both emulators, Java, curl. Nothing leaves this
# machine. The tables stay as Parquet in the folder that is named at the end.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."
seconds="${1:-60}"
vehicles="${2:-200}"

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

# Waits for a line in a file, for a minute at the most, while a process lives.
await() {
  local file="$1" pattern="$2" pid="$3" i
  for ((i = 0; i < 600; i++)); do
    grep -q -- "$pattern" "$file" 2>/dev/null && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "waited in vain for '$pattern' in $file:" >&2
  tail -n 20 "$file" >&2
  return 1
}

echo "== building"
cargo build --locked --quiet -p engine -p local-cloud
bin="${CARGO_TARGET_DIR:-target}/debug"

echo "== starting the cloud"
"$bin/local-cloud" up --out "$out/bigquery" >"$out/cloud.env" 2>"$out/cloud.log" &
cloud=$!
children=("$cloud")
await "$out/cloud.env" '^LOCAL_CLOUD=up$' "$cloud" || { cat "$out/cloud.log" >&2; exit 1; }
while IFS= read -r assignment; do
  [[ $assignment == *=* ]] && export "${assignment?}"
done <"$out/cloud.env"

echo "== tables and views"
"$bin/fleetstream" bigquery ensure --config "$here/worker.toml"

echo "== starting the worker"
"$bin/fleetstream" run --config "$here/worker.toml" --data-dir "$out/worker" 2>"$out/worker.log" &
worker=$!
children=("$worker" "$cloud")
await "$out/worker.log" '"message":"listening"' "$worker"
address="$(grep -m1 '"message":"listening"' "$out/worker.log" | sed 's/.*"address":"\([^"]*\)".*/\1/')"
echo "http://$address/ has the map while this runs"

echo "== driving: $vehicles vehicles for $seconds s"
"$bin/local-cloud" drive --vehicles "$vehicles" --seconds "$seconds"
# The last events come when the reorder delay and a commit are over, positions
# and rows soon after.
sleep 10

echo "== what came of it"
pull() {
  curl -fsS -X POST -H 'content-type: application/json' -d '{"maxMessages": 1000}' \
    "http://$PUBSUB_EMULATOR_HOST/v1/$1:pull"
}
echo "live positions in Firestore:"
curl -fsS -H 'Authorization: Bearer owner' \
  "http://$FIRESTORE_EMULATOR_HOST/v1/$FLEETSTREAM_FIRESTORE__DATABASE/documents/LiveMap?pageSize=1000" \
  | grep -c '"vehicle_id"' || true
echo "events on their topic, of the first 1,000:"
pull "$EVENTS_SUBSCRIPTION" | grep -o '"event_type": *"[^"]*"' | sort | uniq -c || true
echo "dead letters:"
pull "$DEAD_LETTERS_SUBSCRIPTION" | grep -c '"dlq_reason"' || true
echo "the worker's own counts:"
curl -fsS "http://$address/metrics" | grep -E '^fleetstream_(accepted|rejected|events|archived)[a-z_]*total' || true
echo "objects of the journal:"
curl -fsS "$STORAGE_EMULATOR_HOST/storage/v1/b/local-journal/o" | grep -o '"name":"[^"]*"' | sed 's/[0-9]\{20\}.*//' | sort | uniq -c

finish
echo "== BigQuery's tables as Parquet"
find "$out/bigquery" -name '*.parquet' -exec ls -l {} +
echo "all of it is in $out"
