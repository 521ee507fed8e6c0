#!/usr/bin/env bash
# Write crds/ anew from the types in operator/autoglm_api. An argument names another directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHONPATH=operator:hack exec "$(hack/venv)/bin/python" -m crdgen "${1:-crds}"
