#!/usr/bin/env bash
# Copy the generated CustomResourceDefinitions into the chart, whose templates read them from files/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p charts/autoglm-operator/files/crds
rm -f charts/autoglm-operator/files/crds/*.yaml
cp crds/*.yaml charts/autoglm-operator/files/crds/
