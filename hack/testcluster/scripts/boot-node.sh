#!/bin/bash
# Process 1 of a node: boot-node.sh NAME DISK MOUNT_POINT FILES LOGS
#
# Runs in fresh mount, process, host name and IPC namespaces. The node's root is its own disk; of the
# host it sees only /usr (read-only), devices and what is listed in FILES. When this process dies,
# all of the node dies with it, as in a power loss, and the kernel gives mount and loop device back.
set -euo pipefail
name=$1 disk=$2 root=$3 files=$4 logs=$5

hostname "$name"
mount -o loop "$disk" "$root"
cd "$root"
mkdir -p dev etc opt/testcluster proc run sys tmp usr var/lib var/log/testcluster var/tmp .host
chmod 1777 tmp var/tmp

mount --rbind /usr usr
mount -o remount,ro,bind usr
for directory in bin sbin lib lib32 lib64 libx32; do # links into /usr on every distribution served
  if [ -L "/$directory" ] && [ ! -e "$directory" ]; then cp -P "/$directory" "$directory"; fi
done

# The few files that programs of the host's /usr look for, and an identity of the node's own.
for file in alternatives group ld.so.cache ld.so.conf nsswitch.conf passwd protocols services; do
  if [ -e "/etc/$file" ] && [ ! -e "etc/$file" ]; then cp -a "/etc/$file" etc/; fi
done
echo "$name" >etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >etc/hosts
: >etc/resolv.conf
echo "$name" | md5sum | cut -c1-32 >etc/machine-id

mount -t proc proc proc
mount -t sysfs sysfs sys # shows this network namespace's devices
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t tmpfs -o mode=755 run run
mount --bind "$files" opt/testcluster
mount -o remount,ro,bind opt/testcluster
mount --bind "$logs" var/log/testcluster

# The kubelet insists on kernel settings of the whole machine. It gets files that already hold what
# it wants, so the machine's own stay as they are.
# Source: setupKernelTunables in Kubernetes' pkg/kubelet/cm/container_manager_linux.go.
mkdir -p run/testcluster/kernel
while read -r setting value; do
  echo "$value" >"run/testcluster/kernel/${setting//\//-}"
  mount --bind "run/testcluster/kernel/${setting//\//-}" "proc/sys/$setting"
done <<'SETTINGS'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
SETTINGS

pivot_root . .host
umount --lazy /.host
mount --make-rshared / # so that mounts of volumes reach containers
touch /run/testcluster/booted

while :; do # collects every process whose parent is gone
  wait -n || true
  sleep 1
done
