#!/usr/bin/env bash
# A cohort on two hosts: two network namespaces, joined by a cable, with a worker each; scheduler and client on the first.
# Run as root: bash Testing/Cohorts/two_hosts.sh PYTHON
set -euo pipefail
python=$(command -v "${1:-python3}")
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
export PYTHONPATH="$here:$here/../../SSPEExtension"
running=()
tidy() {
  for process in "${running[@]}"; do
    kill -KILL "$process" 2>/dev/null && wait "$process" 2>/dev/null || true
  done
  ip netns del sspe-one 2>/dev/null || true
  ip netns del sspe-two 2>/dev/null || true
  rm -rf "$folder"
}
trap tidy EXIT

ip netns add sspe-one
ip netns add sspe-two
ip link add sspe-cable-1 netns sspe-one type veth peer name sspe-cable-2 netns sspe-two
ip -n sspe-one addr add 10.98.0.1/24 dev sspe-cable-1
ip -n sspe-two addr add 10.98.0.2/24 dev sspe-cable-2
for host in one two; do ip -n sspe-$host link set lo up; done
ip -n sspe-one link set sspe-cable-1 up
ip -n sspe-two link set sspe-cable-2 up

begin() {
  local host=$1
  shift
  ip netns exec "sspe-$host" "$python" -m dask "$@" > "$folder/log-${#running[@]}" 2>&1 &
  running+=($!)
}
begin one scheduler --host tcp://10.98.0.1:8786 --no-dashboard
for host in one two; do
  begin $host worker tcp://10.98.0.1:8786 --nthreads 1 --no-dashboard --no-nanny --local-directory "$folder/scratch"
done
cd "$folder"
"$python" - <<'MANIFEST'
from pathlib import Path
from kill_trial import write_manifest
write_manifest(Path(), 60)
MANIFEST
ip netns exec sspe-one "$python" - <<'CLIENT'
import os
from collections import Counter
from pathlib import Path
from distributed import Client
from kill_trial import faults_of, run_client
scheduler = "tcp://10.98.0.1:8786"
with Client(scheduler, timeout=60, set_as_default=False) as client:
    client.wait_for_workers(2, timeout=60)
    hosts = {pid: address for address, pid in client.run(os.getpid).items()}
records = run_client(Path("manifest.csv"), Path("results"), scheduler)
print(Counter(hosts[int(record.worker.split(":")[1])] for record in records))
print(*faults_of(Path("manifest.csv"), Path("results")) or ["Nothing lost, nothing double, nothing half."], sep="\n")
CLIENT
