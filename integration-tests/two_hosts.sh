#!/bin/sh
# Run a command on the first of two hosts, each a network namespace, joined by one cable.
#
#   unshare --map-root-user --net --fork --kill-child sh two_hosts.sh COMMAND...
#
# The hosts are 10.77.0.1 and 10.77.0.2. The command gets one more argument: the process whose
# namespace is the second host, for nsenter.
set -e
ip link set lo up
unshare --net sleep 300 &
second=$!
trap 'kill $second' EXIT
until [ "$(readlink /proc/$second/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add cable1 type veth peer name cable2 netns $second
ip address add 10.77.0.1/24 dev cable1
ip link set cable1 up
nsenter --net --target $second sh -c '
    ip link set lo up && ip address add 10.77.0.2/24 dev cable2 && ip link set cable2 up'
"$@" $second
