"""The schemas are the stated ones: each state, each property, each relation, each group.

The tables are written by hand, unlike the page of states, which is made from the code. A line is a
state and its properties; ``auto`` and ``multi`` are flags, the others are relations. What a class
inherits stands there only if it changes it.
"""

import pytest

import am_helpers as amh
import am_machine as am
import am_node
import am_rpc

RELATIONS = ("require", "add", "remove", "after")
BOOTSTRAP = "WorkerAddr"
WORKER = """\
ErrWork: require Exception
ErrWorkTimeout: require Exception
ErrClient: require Exception
ErrSupervisor: require Exception
LocalRpcReady: require Start
PublicRpcReady: require Start
SuperConnected: require Start
ClientConnected: require Start
RpcReady: auto; require LocalRpcReady PublicRpcReady
Ready: require Start LocalRpcReady
ServeClient: require PublicRpcReady
LeaseEnding: require PublicRpcReady
ClientSendPayload: multi; require PublicRpcReady
SuperSendPayload: multi; require LocalRpcReady
Idle: auto; require Ready; remove WorkRequested Working WorkReady
WorkRequested: multi; require Ready; remove Working WorkReady Idle
Working: require Ready; remove WorkRequested WorkReady Idle
WorkReady: require Ready; remove WorkRequested Working Idle
WorkQueued: multi; require Ready
Draining: require Start
ClientLeft: require Start; remove ClientConnected
WorkStuck: require Start
"""
SUPERVISOR = """\
ErrWorker: require Exception; add NormalizingPool Heartbeat
ErrPool: require Exception; add NormalizingPool; remove PoolNormalized
ErrDiscovery: require Exception
Start: add PoolStarting
LocalRpcReady: require Start
PublicRpcReady: require Start
Ready: auto; require Start LocalRpcReady PublicRpcReady PoolReady
Heartbeat: require Start
PoolStarting: add NormalizingPool; remove PoolReady
PoolReady: require Start; add Heartbeat; remove PoolStarting
PoolWarm: require PoolReady
NormalizingPool: require Start; remove PoolNormalized; after ErrWorker
PoolNormalized: require Start; add Heartbeat; remove NormalizingPool
WorkersAvailable: require PoolReady
CrashLoop: require Start
Draining: require Start; remove WorkersAvailable
ListWorkers: multi; require Start
SetWorker: multi; require Start
ForkWorker: multi; require Start
ForkingWorker: multi; require Start
WorkerConnected: multi; require Start
WorkerForked: multi; require Start; add Heartbeat
KillWorker: multi
KillingWorker: multi
WorkerKilled: multi; add NormalizingPool Heartbeat
WorkerReady: multi; require Start
WorkerGone: multi; require Start
ProvideWorker: multi; require WorkersAvailable
AwaitWorker: multi; require Start
WorkerIssues: multi
ProvideStatus: multi
ClientConnected: multi
ClientDisconnected: multi
SuperConnected: multi
SuperDisconnected: multi
ClientSendPayload: multi
SuperSendPayload: multi
"""
CLIENT = """\
ErrWorker: require Exception
ErrSupervisor: require Exception
SuperConnecting
SuperConnected
SuperDisconnecting
SuperDisconnected
SuperReady
WorkerConnecting
WorkerConnected
WorkerDisconnecting
WorkerDisconnected
WorkerReady: remove WorkerRequested
WorkerRequested: require SuperReady
Ready: auto; require Start WorkerReady
FailingOver: require Start
WorkPending: require Start
"""
STATED = {
    am_node.BootstrapStates: (BOOTSTRAP, (amh.Basic, am_rpc.StateSource), {}),
    am_node.WorkerStates: (
        WORKER,
        (amh.Basic, am_rpc.StateSource),
        {"WorkStatus": {"WorkRequested", "Working", "WorkReady", "Idle"}},
    ),
    am_node.SupervisorStates: (
        SUPERVISOR,
        (amh.Basic, am_rpc.StateSource),
        {
            "PoolStatus": {"PoolStarting", "PoolReady"},
            "PoolNormalized": {"PoolNormalized", "NormalizingPool"},
            "Errors": {"ErrWorker", "ErrPool"},
        },
    ),
    am_node.ClientStates: (CLIENT, (amh.Basic, am_rpc.Consumer), {}),
}
Properties = dict[str, frozenset[str] | bool]


def _properties(state: am.State) -> Properties:
    # That a state which is no multi state excludes itself is the engine's affair.
    relations = {name: frozenset(getattr(state, name)) - {str(state)} for name in RELATIONS}
    return {"auto": state.auto, "multi": state.multi, **relations}


def _stated(line: str) -> tuple[str, Properties]:
    name, _, rest = line.partition(":")
    found: Properties = {"auto": False, "multi": False, **dict.fromkeys(RELATIONS, frozenset())}
    for part in filter(None, rest.strip().split("; ")):
        kind, *names = part.split()
        assert kind in found
        found[kind] = frozenset(names) if names else True
    return name, found


@pytest.mark.parametrize("cls", STATED, ids=lambda cls: cls.__name__)
def test_every_state_has_the_stated_properties_and_there_is_no_other(cls: type[am.States]) -> None:
    table, parents, _ = STATED[cls]
    expected = {
        name: _properties(parent.schema()[name]) for parent in parents for name in parent.names()
    }
    own = dict(map(_stated, table.splitlines()))
    assert {name: _properties(cls.schema()[name]) for name in cls.names()} == expected | own


@pytest.mark.parametrize("cls", STATED, ids=lambda cls: cls.__name__)
def test_the_groups_are_the_stated_ones(cls: type[am.States]) -> None:
    _, parents, groups = STATED[cls]
    inherited = {name: set(v) for parent in parents for name, v in parent.groups().items()}
    assert {name: set(states) for name, states in cls.groups().items()} == inherited | groups


def test_a_supervisor_starts_with_both_of_its_addresses() -> None:
    args = am_node.SupervisorStates.schema()["Start"].args
    assert args is not None
    assert set(args.__dataclass_fields__) == {"public_addr", "local_addr"}
