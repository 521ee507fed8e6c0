#!/usr/bin/env bash
# Write hack/requirements/{runtime,dev}.txt anew: every dependency pinned, with the hashes of all its files.
# One universal lock serves every Python from 3.11 on; no address of a package index is written down.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=(uv)
if ! command -v uv >/dev/null; then uv=("$(hack/venv)/bin/uv"); fi

lock() { # lock FILE OPTIONS..
  local file=$1
  shift
  "${uv[@]}" pip compile pyproject.toml "$@" --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --quiet --custom-compile-command hack/update-locks.sh --output-file "$file" ${UPGRADE:+--upgrade} >/dev/null
}

lock hack/requirements/runtime.txt
lock hack/requirements/dev.txt --group dev --constraint hack/requirements/runtime.txt
