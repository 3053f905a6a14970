#!/bin/sh
# A machine with systemd as its first process, inside namespaces of its own; as root. Nothing of it is left when that process ends.
# boot.sh join SCRATCH PACKAGE NODE: into a control group of its own (SCRATCH/groups lists its folders), then new namespaces, then
# boot.sh boot SCRATCH PACKAGE NODE: the machine's files, then systemd.
# What the station sees is the rig's: the package in /opt/verdictd, the shipped unit as it is, a user verdictd, its own /var/lib.
set -eu
phase=$1 scratch=$2 package=$3 node=$4

if [ "$phase" = join ]; then
  # systemd keeps its services below the group it was started in, both in the old hierarchy of its name and in the unified one.
  while IFS=: read -r number name path; do
    case "$number:$name" in
      0:) mount=/sys/fs/cgroup; [ -e $mount/cgroup.procs ] || mount=/sys/fs/cgroup/unified ;;
      *:name=systemd) mount=/sys/fs/cgroup/systemd ;;
      *) continue ;;
    esac
    [ -d "$mount$path" ] || continue
    group="$mount${path%/}/verdictd-proof-$$"
    mkdir "$group"
    echo "$group" >>"$scratch/groups"
    echo $$ >"$group/cgroup.procs"
  done </proc/self/cgroup
  exec unshare --mount --pid --fork --cgroup --uts --ipc --kill-child --mount-proc sh "$0" boot "$scratch" "$package" "$node"
fi

mount --make-rprivate /
mount -t tmpfs tmpfs /run
cp -a /etc /run/etc
mount --bind /run/etc /etc
getent group flirimaging >/dev/null || groupadd flirimaging
getent passwd verdictd >/dev/null || useradd --system --home-dir /var/lib/verdictd --no-create-home --shell /usr/sbin/nologin --groups flirimaging verdictd
mkdir -p /etc/verdictd
cp -a "$scratch/etc/." /etc/verdictd

mkdir /run/package
mount --bind "$package" /run/package
mount -t tmpfs tmpfs /opt
mkdir /opt/verdictd
mount --bind /run/package /opt/verdictd
# Where systemd's own search path finds it, whatever this machine's node is called and wherever it lies.
touch /run/node
mount --bind "$node" /run/node
mount -t tmpfs tmpfs /usr/local/bin
touch /usr/local/bin/node
mount --bind /run/node /usr/local/bin/node
mount --bind "$scratch/lib" /var/lib
mkdir -p /run/cache
mount --bind /run/cache /var/cache

cp -a "$scratch/units" /run/units
cp /opt/verdictd/systemd/verdictd.service /run/units/
export container=verdictd-proof SYSTEMD_UNIT_PATH=/run/units
exec /lib/systemd/systemd --system --unit=default.target --log-target=console
