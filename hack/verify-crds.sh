#!/usr/bin/env bash
# The definitions in crds/ are what the types say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
hack/update-crds.sh "$fresh"
diff -ru crds "$fresh" || { echo "crds/ is stale; run hack/update-crds.sh" >&2; exit 1; }
