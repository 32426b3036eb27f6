#!/usr/bin/env bash
# Megabytes that are downloaded for the package, and for each extra beside it:
#   scripts/extra_sizes.sh dist/mmedrag-0.1.0-py3-none-any.whl mcp langchain …
set -euo pipefail
wheel=$(realpath "$1")
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/python" -m pip --quiet --disable-pip-version-check)

missing() { # what an installation of $1 would bring, one NAME==VERSION a line
    "${pip[@]}" install --dry-run --report - "$1" | python3 -c '
import json, sys
for item in (i["metadata"] for i in json.load(sys.stdin)["install"]):
    if item["name"] != "mmedrag":
        print(item["name"] + "==" + item["version"])'
}

measure() { # $1: a name to print, $2: a requirement
    local wanted
    mapfile -t wanted < <(missing "$2")
    mkdir "$folder/$1"
    ((${#wanted[@]} == 0)) || "${pip[@]}" download --no-deps --dest "$folder/$1" "${wanted[@]}"
    printf '%-12s %4d packages %6d MB\n' "$1" "${#wanted[@]}" "$(du -sm "$folder/$1" | cut -f1)"
}

measure package "$wheel"
"${pip[@]}" install "$wheel"
for extra in "$@"; do
    measure "$extra" "$wheel[$extra]"
done
