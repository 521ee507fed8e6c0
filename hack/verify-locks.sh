#!/usr/bin/env bash
# The lock files answer to pyproject.toml, carry hashes, and name no package index.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r hack/requirements "$copy/before"
hack/update-locks.sh
trap 'cp "$copy"/before/* hack/requirements/; rm -rf "$copy"' EXIT
diff -ru "$copy/before" hack/requirements || { echo "the locks are stale; run hack/update-locks.sh" >&2; exit 1; }
if grep -nE '(https?://|--(extra-)?index-url|--find-links)' hack/requirements/*.txt; then
  echo "a lock file names a package index; take it out" >&2
  exit 1
fi
