#!/usr/bin/env bash
# Write litellm.txt anew: LiteLLM and all it needs, with hashes. Only the bench uses it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

uv=(uv)
if ! command -v uv >/dev/null; then uv=("$(hack/venv)/bin/uv"); fi
"${uv[@]}" pip compile hack/bench/router/litellm.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --quiet --custom-compile-command hack/bench/router/update-locks.sh --output-file hack/bench/router/litellm.txt ${UPGRADE:+--upgrade} >/dev/null
