#!/usr/bin/env bash
# The whole cloud run on this machine: starts Google's emulators of Pub/Sub and
# Firestore and the stand-ins for BigQuery and Cloud Storage, creates what a
# worker needs, runs the worker and a minute of driving, shows what came of it.
#
#     examples/local-cloud/run.sh [SECONDS [VEHICLES [PINGS_PER_SECOND]]]
#
# Needs Google's Cloud SDK with both emulators, Java, curl, and cargo, unless
# BIN names a folder with the binaries fleetstream and local-cloud. Variables
# FLEETSTREAM_… are settings of the worker, as always. Nothing leaves this
# machine. The tables stay as Parquet in the folder that is named at the end.
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

# The sum of a metric's samples.
metric() {
  curl -fsS "http://$address/metrics" |
    awk -v name="$1" '$1 == name || index($1, name "{") == 1 { sum += $2 } END { printf "%.2f\n", sum }'
}

if [[ -z ${BIN:-} ]]; then
  echo "== building"
  interruptible cargo build --locked --quiet -p engine -p local-cloud
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

echo "== starting the worker"
"$BIN/fleetstream" run --config "$here/worker.toml" --data-dir "$out/worker" 2>"$out/worker.log" &
worker=$!
children=("$worker" "$cloud")
if ! await "$out/worker.log" '"message":"listening"' "$worker"; then
  echo "the worker does not start:" >&2
  tail -n 20 "$out/worker.log" >&2
  exit 1
fi
address="$(grep -m1 '"message":"listening"' "$out/worker.log" | sed 's/.*"address":"\([^"]*\)".*/\1/')"
echo "http://$address/ has the map while this runs"

echo "== driving: $vehicles vehicles, $rate pings a second and one that is refused, for $seconds s"
"$BIN/local-cloud" watch --vehicles "$vehicles" >"$out/watch.txt" 2>&1 &
watch=$!
children=("$watch" "$worker" "$cloud")
cpu_before="$(metric process_cpu_seconds_total)"
interruptible "$BIN/local-cloud" drive \
  --vehicles "$vehicles" --rate "$rate" --seconds "$seconds" --refused 1
cpu_after="$(metric process_cpu_seconds_total)"
# The last rows come soon after the last commit, the last events when the
# reorder delay is over, the last positions within theirs.
sent=$((seconds * rate))
for ((i = 0; i < 60; i++)); do
  [[ "$(query 'COUNT(*) FROM fleet.pings')" == "$sent " ]] && break
  sleep 1
done
sleep 6

echo "== what came of it"
echo "pings sent and acceptable: $sent"
echo "BigQuery, rows and distinct pings: $(query 'COUNT(*), COUNT(DISTINCT ping_id) FROM fleet.pings')"
echo "BigQuery, operations and distinct events: $(query 'COUNT(*), COUNT(DISTINCT event_id) FROM fleet.events')"
kill "$watch" && wait "$watch" || true
sed 's/^/topics and Firestore, /' "$out/watch.txt"
# A page of the list has 300 documents at the most.
positions=0 token=''
while :; do
  page="$(curl -fsS -H 'Authorization: Bearer owner' \
    "http://$FIRESTORE_EMULATOR_HOST/v1/$FLEETSTREAM_FIRESTORE__DATABASE/documents/LiveMap?pageSize=300&pageToken=$token")"
  positions=$((positions + $(grep -c '"createTime"' <<<"$page" || true)))
  token="$(grep -o '"nextPageToken": *"[^"]*"' <<<"$page" | sed 's/.*"\([^"]*\)"$/\1/' || true)"
  [[ -n $token ]] || break
done
echo "Firestore, documents in LiveMap: $positions"
echo "worker, archived: $(metric fleetstream_archived_total) rejected: $(metric fleetstream_rejected_total) events: $(metric fleetstream_events_total)"
echo "worker, CPU while driving: $(awk -v a="$cpu_before" -v b="$cpu_after" -v s="$seconds" 'BEGIN { printf "%.0f", 100 * (b - a) / s }') % of a core; memory at the most: $(awk -v b="$(metric process_resident_memory_max_bytes)" 'BEGIN { printf "%.0f", b / 1048576 }') MiB"
echo "objects of the journal:"
curl -fsS "$STORAGE_EMULATOR_HOST/storage/v1/b/local-journal/o" |
  grep -o '"name":"[^"]*"' | sed 's/"name":"//; s/[0-9]\{20\}.*//; s/"$//' | sort | uniq -c

finish
echo "== BigQuery's tables as Parquet"
find "$out/bigquery" -name '*.parquet' -exec ls -l {} +
echo "all of it is in $out"
