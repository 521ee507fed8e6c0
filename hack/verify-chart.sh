#!/usr/bin/env bash
# The definitions in the chart are those in crds/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
diff -ru crds charts/autoglm-operator/files/crds || { echo "the chart's definitions are stale; run hack/update-chart.sh" >&2; exit 1; }
