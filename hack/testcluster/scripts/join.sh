#!/bin/sh
# Become a program inside control groups: join.sh GROUP_FILE... -- PROGRAM [ARGUMENT...]
set -eu
while [ "$1" != -- ]; do
  echo $$ >"$1"
  shift
done
shift
exec "$@"
