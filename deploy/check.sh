#!/usr/bin/env bash
# The image as compose.yaml runs it: not root, read-only root, no network but loopback, healthy.
#   bash deploy/check.sh [podman]        after: podman build --format docker -f deploy/Containerfile -t mmedrag .
set -euo pipefail
engine=${1:-podman}
run="$engine run --rm --read-only --tmpfs /tmp --network none --cap-drop ALL --security-opt no-new-privileges"
volume=mmedrag-check-$$
$engine volume create "$volume" >/dev/null
trap '$engine volume rm -f "$volume" >/dev/null' EXIT
[ "$($run --entrypoint id mmedrag -u)" = 10001 ]
$run -v "$volume":/data mmedrag demo --into /data/demo >/dev/null
$run -v "$volume":/data --entrypoint sh mmedrag -c '
  mmedrag serve /data/demo/demo.casebase & serve=$!
  for _ in $(seq 120); do
    python3 -c "import urllib.request as r; r.urlopen(\"http://127.0.0.1:8000/readyz\")" 2>/dev/null && break
    sleep 1
  done
  python3 -c "
import json, urllib.request as r
ask = r.Request(\"http://127.0.0.1:8000/v1/ask\", json.dumps({\"text\": \"drusen\"}).encode(),
                {\"Content-Type\": \"application/json\"})
print(json.load(r.urlopen(ask))[\"answer\"][\"text\"][:100])"
  kill -TERM $serve; wait $serve; [ $? = 143 ]'
echo "the image answers"
