#!/bin/sh
# Become a program that asks other DNS servers: with-resolver.sh RESOLV_CONF PROGRAM [ARGUMENT...]
# Runs in a mount namespace of its own, so nobody else sees the change.
set -eu
mount --bind "$1" /etc/resolv.conf
shift
exec "$@"
