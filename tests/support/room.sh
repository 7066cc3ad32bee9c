#!/bin/sh
# The first process of a room, in mount, PID and cgroup namespaces of its own:
#     room.sh ROOT DIRECTORY COMMAND...
# changes to a root that is ROOT below a layer in memory, shows DIRECTORY in it at the same
# place, runs COMMAND and ends with it, which ends all that COMMAND left running. DIRECTORY/data,
# where there is one, is in memory as well.
set -eu
lower=$1 shared=$2
shift 2

mkdir "$shared/root"
mount -t tmpfs tmpfs "$shared/root"
mkdir "$shared/root/changed" "$shared/root/work" "$shared/root/merged"
root=$shared/root/merged
mount -t overlay -o "lowerdir=$lower,upperdir=$shared/root/changed,workdir=$shared/root/work" \
    room "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root$shared"
mount --bind "$shared" "$root$shared"
[ ! -d "$shared/data" ] || mount -t tmpfs -o mode=755 tmpfs "$root$shared/data"

# Mounted here, the cgroups that this process is in are the root of all that it sees.
grep -q ' /sys/fs/cgroup cgroup2 ' /proc/self/mounts ||
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
grep -E '^[^ ]+ [^ ]+ cgroup2? ' /proc/self/mounts | while read -r _ where type options _; do
    mkdir -p "$root$where"
    hierarchy=$(echo "$options" | tr , '\n' |
        grep -vE '^(rw|ro|nosuid|nodev|noexec|relatime|xattr|clone_children|release_agent=.*)$' |
        paste -sd,)
    [ "$type" = cgroup ] || hierarchy=
    mount -t "$type" ${hierarchy:+-o "$hierarchy"} "$type" "$root$where"
done
if [ -e "$root/sys/fs/cgroup/cgroup.subtree_control" ]; then
    # cgroup 2 controls the children of a cgroup that has no processes itself
    mkdir "$root/sys/fs/cgroup/first"
    echo $$ >"$root/sys/fs/cgroup/first/cgroup.procs"
    for controller in $(cat "$root/sys/fs/cgroup/cgroup.controllers"); do
        echo "+$controller" >"$root/sys/fs/cgroup/cgroup.subtree_control" || :
    done
fi

cd "$root"
mkdir .machine
pivot_root . .machine
umount -l /.machine
rmdir /.machine
cd /

"$@" & # not in its place: the first process is also the one that buries orphans
wait "$!"
