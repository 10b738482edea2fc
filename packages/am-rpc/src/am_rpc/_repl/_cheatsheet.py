"""Text that the shell shows: groups of commands, and examples of them."""

from __future__ import annotations

from typing import Final

GROUPS: Final = {
    "Mutations": ("add", "remove", "set", "toggle", "group-add", "group-remove"),
    "Waiting": ("when", "when-not", "when-time", "when-args"),
    "Looking": ("mach", "inspect", "time", "watch"),
    "Shell": ("list", "status", "connect", "script", "cheatsheet", "help", "exit"),
}

CHEATSHEET: Final = """\
MACH is a machine id, the beginning of only one, an address, or . for the first.

add . Foo                                add a state to the first machine
add worker-1 Work --arg n --val 5        with an arg; values are JSON, or else text
remove worker-1 Foo Bar                  remove two states
set . Ready                              only this, and what it implies
toggle . Muted                           remove if active, else add
group-add Stop -p worker- -a Ready       all ready machines whose id begins so
group-remove Paused -l 10 -f 20          the third ten of them

when . Ready --timeout 5                 wait until active; prints its tick
when-not . Busy                          wait until inactive
when-time . -s Done -t 7                 wait for a tick
when-args . Done --arg id --val 3        wait for a mutation with this arg

mach .                                   active states and their ticks
mach . --all                             inactive ones too
inspect .                                ticks, properties, relations
time . --sum                             how much has happened
watch .                                  every change as it happens, until Ctrl+C
watch . Ready Busy -n 3                  three changes of these states

list --states                            machines with their active states
list -a Ready -i Busy                    ready, but not busy
list -r '^w[0-9]+$' -t 100               by regular expression, and by time
list --disconn                           lost ones too
status                                   how many are connected
connect 127.0.0.1:6000                   one more address; lost ones are tried anew
script deploy.arpc                       a command per line, # comments
help group-add                           how a command is written

Ctrl+C ends a command that waits, Ctrl+D or exit the shell, Tab completes."""
