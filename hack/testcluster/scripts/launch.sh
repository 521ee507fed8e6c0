#!/bin/sh
# Start a program that outlives its caller: launch.sh PID_FILE LOG_FILE PROGRAM [ARGUMENT...]
#
# The pid file holds the process id and its start time, so that a later process that happens to get
# the same id is never taken for it. Both are as seen from the process namespace this runs in.
set -eu
pid_file=$1 log_file=$2
shift 2
# In the background it is no group leader, so setsid becomes the program instead of forking again;
# and the program holds none of the caller's files, so that nobody waits for it by accident.
setsid "$@" >>"$log_file" 2>&1 </dev/null &
pid=$!
read -r stat <"/proc/$pid/stat" || exit 1
# shellcheck disable=SC2086 # split into words on purpose; after the name, word 20 is the start time
set -- ${stat##*) }
echo "$pid ${20}" >"$pid_file.new"
mv "$pid_file.new" "$pid_file"
