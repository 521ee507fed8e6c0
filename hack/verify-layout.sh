#!/usr/bin/env bash
# The top level is fixed, and operator/ holds packages only: with a .py file directly in it, Python would
# take it for the standard library's `operator` and not even start.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bad=$(git ls-files --cached --others --exclude-standard 'operator/*.py' | grep -v '^operator/.*/' || true)
[ -z "$bad" ] || { echo "operator/ holds packages only; move $bad into one of them" >&2; exit 1; }

allowed='^(pyproject\.toml|README\.md|Makefile|CHANGELOG\.md|CONTRIBUTING\.md|SECURITY\.md|LICENSE|operator|crds|charts|runbooks|tests|hack|docs|\..*)$'
bad=$(git ls-files --cached --others --exclude-standard | cut -d/ -f1 | sort -u | grep -vE "$allowed" || true)
[ -z "$bad" ] || { echo "the top level is fixed; there is no place for: $bad" >&2; exit 1; }

# Modules stop at 400 lines, so that each fits in one head.
long=$(git ls-files --cached --others --exclude-standard '*.py' | xargs -r wc -l | awk '$2 != "total" && $1 > 400 {print $2 " (" $1 " lines)"}')
[ -z "$long" ] || { echo "modules stop at 400 lines; split $long" >&2; exit 1; }
