"""Every command of `arpc` as the shell runs it, against three machines."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
import trustme

import am_machine as am
import am_rpc
from am_rpc._repl._addr_files import Source
from am_rpc._repl._completion import candidates
from am_rpc._repl._machine import Repl
from am_rpc._repl._outcome import Code, Outcome
from am_rpc._repl._pool import Access
from am_rpc._repl._reach import access_from
from am_rpc._repl._states import ReplStates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.trio


@dataclass
class WorkArgs:
    n: int = 0
    note: Any = None


class WorkerStates(am_rpc.StateSource):
    """A worker that can be told what to do."""

    Ready = am.State()
    Work = am.State(multi=True, require=[Ready], args=WorkArgs)
    Busy = am.State(require=[Ready])
    Never = am.State()


class OddStates(am_rpc.StateSource):
    """Another kind of machine."""

    Ready = am.State()
    Odd = am.State(auto=True, require=[Ready])


class Worker:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[Any] = []

    def NeverEnter(self, event: am.Event) -> bool:
        return False

    def WorkState(self, event: am.Event) -> None:
        self.notes.append((event.args.n, event.args.note))


@dataclass
class Fleet:
    """Two workers and an odd one, and a REPL that is connected to them."""

    machines: dict[str, am.Machine]
    worker: Worker
    repl: Repl
    folder: Path
    shown: list[tuple[str, Outcome]]
    notices: list[str]

    async def run(self, line: str) -> Outcome:
        return await self.repl.run(line.split())

    async def text(self, line: str) -> str:
        outcome = await self.run(line)
        assert outcome.code is Code.OK, outcome.error
        return "\n".join(outcome.lines)

    async def refusal(self, line: str) -> tuple[Code, str]:
        outcome = await self.run(line)
        return outcome.code, outcome.error

    async def ids(self, line: str) -> list[str]:
        outcome = await self.run(line)
        assert outcome.code is Code.OK, outcome.error
        return [machine["id"] for machine in outcome.data["machines"]]


@asynccontextmanager
async def repl_of(source: Source, patience: float = 5, **options: Any) -> AsyncIterator[Repl]:
    options.setdefault("show", lambda command, outcome: None)
    async with Repl(source, **options) as repl:
        await repl.settle(patience)
        yield repl


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    folder = tmp_path / "addrs"
    worker = Worker()
    shown: list[tuple[str, Outcome]] = []
    notices: list[str] = []
    async with (
        am.Machine(WorkerStates, id="worker-1", handlers=worker) as one,
        am.Machine(WorkerStates, id="worker-2", handlers=Worker()) as two,
        am.Machine(OddStates, id="odd") as odd,
    ):
        machines = {mach.id: mach for mach in (one, two, odd)}
        for mach in machines.values():
            mach.add("Ready")
            await am_rpc.repl(mach, dir=folder, push_interval=0).ready()
        async with repl_of(
            Source(folder=folder),
            show=lambda command, outcome: shown.append((command, outcome)),
            on_notice=notices.append,
            on_fault=notices.append,
        ) as repl:
            assert repl.mach.is_("Connected", "ConnectedFully", "Ready")
            yield Fleet(machines, worker, repl, folder, shown, notices)


# Mutations.


async def test_add_activates_states_and_shows_them(fleet: Fleet) -> None:
    assert await fleet.text("add worker-2 Busy") == "worker-2 executed (Ready:1 Busy:1)"
    assert fleet.machines["worker-2"].is_("Busy")
    assert fleet.machines["worker-1"].not_("Busy")


async def test_args_are_json_or_else_text(fleet: Fleet) -> None:
    words = ["add", "worker-1", "Work", "--arg", "n", "--val", "5", "--arg", "note", "--val"]
    for value in ('{"a": [1]}', "plain text", "NaN", "null"):
        assert (await fleet.repl.run([*words, value])).code is Code.OK
    assert fleet.worker.notes == [(5, {"a": [1]}), (5, "plain text"), (5, "NaN"), (5, None)]


async def test_remove_set_and_toggle(fleet: Fleet) -> None:
    mach = fleet.machines["worker-1"]
    await fleet.text("add worker-1 Busy Work")
    assert await fleet.text("remove worker-1 Busy") == "worker-1 executed (Ready:1 Work:1)"
    await fleet.text("set worker-1 Ready")
    assert mach.active == ("Ready",)
    await fleet.text("toggle worker-1 Busy")
    assert mach.is_("Busy")
    await fleet.text("toggle worker-1 Busy")
    assert mach.not_("Busy")


async def test_a_refused_mutation_says_so(fleet: Fleet) -> None:
    code, error = await fleet.refusal("add worker-1 Never")
    told = "refused by the machine: NeverEnter of Worker voted against it"
    assert (code, error) == (Code.NO, f"worker-1 canceled: {told}")
    outcome = await fleet.run("group-add Never -p worker-1")
    assert outcome.table is not None
    assert outcome.table.rows == (("worker-1", "canceled", told),)


async def test_group_add_changes_all_that_match(fleet: Fleet) -> None:
    outcome = await fleet.run("group-add Busy -p worker-")
    assert outcome.code is Code.OK
    assert outcome.table is not None
    assert [row[:2] for row in outcome.table.rows] == [
        ("worker-1", "executed"),
        ("worker-2", "executed"),
    ]
    assert outcome.data["executed"] == 2
    assert await fleet.ids("list -a Busy") == ["worker-1", "worker-2"]
    assert (await fleet.run("group-remove Busy -a Busy -l 1")).code is Code.OK
    assert await fleet.ids("list -a Busy") == ["worker-2"]


async def test_group_add_with_args(fleet: Fleet) -> None:
    await fleet.run("group-add Work --arg n --val 3 -I 1")
    assert fleet.worker.notes == [(3, None)]


async def test_a_group_is_executed_only_if_all_of_it_is(fleet: Fleet) -> None:
    outcome = await fleet.run("group-add Busy")
    assert outcome.code is Code.NO
    assert (
        outcome.data["machines"][0]
        == {
            "id": "odd",
            "result": "canceled",
            "detail": "no state Busy",
        }
        or outcome.data["canceled"] == 1
    )
    assert fleet.machines["worker-1"].is_("Busy")
    assert await fleet.refusal("group-add Busy -p nobody") == (Code.NO, "no machine matches")


# Waiting.


async def test_when_prints_ticks_once_the_states_are_active(fleet: Fleet) -> None:
    async def busy() -> None:
        await fleet.repl.mach.when("CmdWhen")
        fleet.machines["worker-1"].add("Busy")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(busy)
        assert await fleet.text("when worker-1 Busy Ready --timeout 5") == "Busy:1 Ready:1"
    assert fleet.repl.mach.not_("CmdWhen")


async def test_when_not_prints_ticks_once_the_states_are_inactive(fleet: Fleet) -> None:
    async def idle() -> None:
        await fleet.repl.mach.when("CmdWhenNot")
        fleet.machines["worker-1"].remove("Ready")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(idle)
        assert await fleet.text("when-not worker-1 Ready --timeout 5") == "Ready:2"


async def test_when_time_waits_for_ticks(fleet: Fleet) -> None:
    async def work() -> None:
        await fleet.repl.mach.when("CmdWhenTime")
        for _ in range(3):
            fleet.machines["worker-1"].add("Work")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        line = "when-time worker-1 -s Work -t 5 --state Ready --tick 1 --timeout 5"
        assert await fleet.text(line) == "Work:5 Ready:1"


async def test_when_args_waits_for_a_mutation_with_these_args(fleet: Fleet) -> None:
    async def work() -> None:
        mach = fleet.machines["worker-1"]
        await fleet.repl.mach.when("CmdWhen")
        for n in range(1, 8):
            # Until the subscription has arrived nobody listens.
            await trio.testing.wait_all_tasks_blocked(0.05)
            mach.add("Work", n=n % 4)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        told = await fleet.text("when-args worker-1 Work --arg n --val 3 --timeout 5")
        assert told.startswith("Work:")
        nursery.cancel_scope.cancel()


async def test_a_wait_ends_after_its_own_or_the_common_timeout(fleet: Fleet) -> None:
    own = await fleet.refusal("when worker-1 Never --timeout 0.01")
    assert own == (Code.TIMEOUT, "not over after 0.01 s")
    fleet.repl.timeout = 0.02
    common = await fleet.refusal("when worker-1 Never")
    assert common == (Code.TIMEOUT, "not over after 0.02 s")
    assert fleet.repl.mach.not_("CmdWhen")


# Looking.


async def test_mach_shows_states_on_one_line(fleet: Fleet) -> None:
    assert await fleet.text("mach worker-1") == "worker-1 (Ready:1)"
    told = await fleet.text("mach worker-1 --all")
    assert told == f"worker-1 {fleet.machines['worker-1'].string_all()}"


async def test_inspect_shows_relations_and_args(fleet: Fleet) -> None:
    told = await fleet.text("inspect worker-1")
    assert told.startswith("worker-1 at unix:")
    assert (
        "0 Work\n    |Tick     0\n    |Multi    true\n    |Require  Ready\n    |Args     n note"
        in told
    )
    outcome = await fleet.run("inspect odd")
    assert outcome.data["states"]["Odd"]["auto"] is True


async def test_time_shows_ticks_as_the_source_has_them_now(fleet: Fleet) -> None:
    mach = fleet.machines["worker-1"]
    mach.add("Busy")
    assert await fleet.text("time worker-1") == " ".join(map(str, mach.time()))
    assert await fleet.text("time worker-1 --sum") == "2"


# The machine that is meant.


async def test_a_machine_is_found_by_id_prefix_address_or_as_the_first(fleet: Fleet) -> None:
    addr = next(peer.addr for peer in fleet.repl.pool.peers if peer.id == "odd")
    for word in ("odd", "o", addr, "."):
        assert (await fleet.text(f"mach {word}")).startswith("odd ")


async def test_an_id_goes_before_the_ids_that_begin_so(fleet: Fleet) -> None:
    async with am.Machine(OddStates, id="worker") as mach:
        await am_rpc.repl(mach, dir=fleet.folder).ready()
        await fleet.run("connect")
        assert (await fleet.text("mach worker")).startswith("worker ()")


async def test_machines_and_states_that_are_not_there_are_told_with_a_hint(fleet: Fleet) -> None:
    code, error = await fleet.refusal("mach worker-9")
    assert code is Code.NO
    assert "did you mean 'worker-" in error
    code, error = await fleet.refusal("mach work")
    assert code is Code.NO
    assert "may be worker-1 at" in error
    code, error = await fleet.refusal("add worker-1 Redy")
    assert (code, error) == (Code.USAGE, "worker-1 has no state 'Redy'; did you mean Ready?")


# Filters.


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("", ["odd", "worker-1", "worker-2"]),
        ("-a Busy", ["worker-1"]),
        ("--active Ready -a Busy", ["worker-1"]),
        ("-i Busy", ["worker-2"]),
        ("-a Ready -i Odd", []),
        ("-m Work -t 1", ["worker-2"]),
        ("--mtime-min 3", ["worker-2"]),
        ("-T 2", ["odd", "worker-1"]),
        ("-r ^w.*[12]$", ["worker-1", "worker-2"]),
        ("-I ker", ["worker-1", "worker-2"]),
        ("-p worker", ["worker-1", "worker-2"]),
        ("-s -2", ["worker-2"]),
        ("-l 2", ["odd", "worker-1"]),
        ("-f 1", ["worker-1", "worker-2"]),
        ("-f 1 -l 1", ["worker-1"]),
        ("-p worker -f 1", ["worker-2"]),
        ("-P boss", []),
    ],
)
async def test_list_shows_what_passes_the_filters(
    fleet: Fleet, filters: str, expected: list[str]
) -> None:
    fleet.machines["worker-1"].add("Busy")
    fleet.machines["worker-2"].add("Work")
    fleet.machines["worker-2"].add("Work")
    for peer in fleet.repl.pool.peers:
        assert peer.net is not None
        await peer.net.sync()
    # In order of address files: odd.addr, worker-1.addr, worker-2.addr.
    if expected:
        assert await fleet.ids(f"list {filters}") == expected
    else:
        assert await fleet.refusal(f"list {filters}") == (Code.NO, "no machine matches")


async def test_list_can_show_states(fleet: Fleet) -> None:
    for option, expected in (
        ("--states", "(Ready:1)"),
        ("--states-all", fleet.machines["worker-1"].string_all()),
    ):
        outcome = await fleet.run(f"list -p worker-1 {option}")
        assert outcome.table is not None
        assert outcome.table.header == ("id", "address", "time", "active", "states")
        assert outcome.table.rows[0][-1] == expected


# Connections.


async def test_status_counts_connections(fleet: Fleet) -> None:
    assert await fleet.text("status") == "3 connected, 0 connecting, 0 disconnected, 3 total"


async def test_a_lost_machine_is_told_listed_and_counted(fleet: Fleet) -> None:
    fleet.repl.mach.add("ReplMode")
    fleet.machines["odd"].dispose()
    await fleet.repl.mach.when_not("ConnectedFully")
    assert fleet.repl.mach.is_("Connected")
    assert fleet.notices[-1].startswith("lost: odd at ")
    assert await fleet.ids("list") == ["worker-1", "worker-2"]
    outcome = await fleet.run("list --disconn")
    assert outcome.table is not None
    assert [row[4] for row in outcome.table.rows] == ["disconnected", "connected", "connected"]
    code, error = await fleet.refusal("add odd Ready")
    assert code is Code.NOT_CONNECTED
    assert error.startswith("odd is not connected")
    assert (await fleet.run("status")).data["total"] == 3


async def test_without_connections_only_what_needs_none_works(tmp_path: Path) -> None:
    addr = f"unix:{tmp_path}/nobody"
    async with repl_of(Source((addr,))) as repl:
        assert repl.mach.is_("Disconnected")
        assert repl.mach.not_("Connecting")
        outcome = await repl.run(["add", ".", "Ready"])
        assert outcome.code is Code.NOT_CONNECTED
        assert addr in outcome.error
        outcome = await repl.run(["status"])
        assert (outcome.code, outcome.data["disconnected"]) == (Code.OK, 1)
        assert (await repl.run(["list", "--disconn"])).code is Code.OK
        assert (await repl.run(["list"])).code is Code.NOT_CONNECTED
        assert (await repl.run(["connect"])).code is Code.NOT_CONNECTED


async def test_connect_tries_lost_addresses_anew_and_takes_more(tmp_path: Path) -> None:
    one, two = f"unix:{tmp_path}/one", f"unix:{tmp_path}/two"
    async with repl_of(Source((one,))) as repl:
        assert repl.mach.is_("Disconnected")
        async with am.Machine(OddStates, id="m1") as m1, am.Machine(OddStates, id="m2") as m2:
            await am_rpc.repl(m1, one).ready()
            await am_rpc.repl(m2, two).ready()
            outcome = await repl.run(["connect", two])
            assert (outcome.code, outcome.data["connected"]) == (Code.OK, 2)
            assert repl.mach.is_("ConnectedFully")
            assert (await repl.run(["connect", "nowhere"])).code is Code.USAGE


async def test_changed_address_files_leave_other_connections_alone(fleet: Fleet) -> None:
    fleet.repl.mach.add("ReplMode")
    kept = {peer.id: peer for peer in fleet.repl.pool.peers}
    (fleet.folder / "odd.addr").unlink()
    async with am.Machine(OddStates, id="newcomer") as mach:
        await am_rpc.repl(mach, dir=fleet.folder / "below").ready()
        fleet.repl.mach.add("AddrChanged")
        await fleet.repl.mach.when_not("AddrChanged")
        await fleet.repl.settle()
        assert await fleet.ids("list") == ["newcomer", "worker-1", "worker-2"]
    now = {peer.id: peer for peer in fleet.repl.pool.peers}
    assert now["worker-1"] is kept["worker-1"]
    assert now["worker-1"].client.stats.reconnects == kept["worker-1"].client.stats.reconnects
    assert any(line.startswith("gone: odd at") for line in fleet.notices)
    assert any(line.startswith("connected: newcomer at") for line in fleet.notices)


async def test_a_secret_opens_machines_that_ask_for_one() -> None:
    async with am.Machine(OddStates, id="m1") as mach:
        addr = await am_rpc.repl(mach, secret={"k1": (b"s3cret", None)}).ready()
        async with repl_of(Source((addr,)), access=Access(secret=("k1", b"s3cret"))) as repl:
            assert (await repl.run(["mach", "."])).code is Code.OK
        async with repl_of(Source((addr,)), access=Access(secret=("k1", b"wrong"))) as repl:
            outcome = await repl.run(["mach", "."])
            assert outcome.code is Code.NOT_CONNECTED
            assert "the server refused the secret" in outcome.error


async def test_a_trusted_certificate_opens_machines_behind_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    (tmp_path / "secret").write_text("s3cret\n")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with am.Machine(OddStates, id="m1") as mach:
        server = am_rpc.repl(mach, "127.0.0.1:0", ssl_context=context, secret=b"s3cret")
        source = Source((await server.ready(),))
        access = access_from(tmp_path / "secret", None, ca)
        async with repl_of(source, access=access) as repl:
            assert (await repl.run(["mach", "."])).code is Code.OK
        # The server waits for TLS, the client for an answer.
        async with repl_of(source, 0.1) as repl:
            assert (await repl.run(["mach", "."])).code is Code.NOT_CONNECTED


# Scripts, help, exit.


async def test_a_script_runs_line_by_line(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "deploy.arpc"
    path.write_text("# first\n\n  add worker-1 Busy\nwhen worker-1 Busy\n  # last\nstatus\n")
    outcome = await fleet.run(f"script {path}")
    assert (outcome.code, outcome.data) == (Code.OK, {"commands": 3})
    assert [command for command, _ in fleet.shown] == ["add", "when", "status", "script"]


async def test_a_script_stops_at_the_first_failure(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "deploy.arpc"
    path.write_text("add worker-1 Never\nadd worker-1 Busy\n")
    outcome = await fleet.run(f"script {path}")
    assert (outcome.code, outcome.error) == (Code.NO, f"{path}:1: stopped")
    assert fleet.machines["worker-1"].not_("Busy")


async def test_exit_ends_a_script_and_the_shell(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("exit\nadd worker-1 Busy\n")
    assert (await fleet.run(f"script {path}")).ends_shell
    assert (await fleet.run("exit")).ends_shell
    assert fleet.machines["worker-1"].not_("Busy")


@pytest.mark.parametrize("text", ["script {me}", 'mach "open', "\0" * (1024 * 1024 + 1)])
async def test_bad_scripts_are_refused(fleet: Fleet, tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad"
    path.write_text(text.format(me=path))
    code, error = await fleet.refusal(f"script {path}")
    assert code is Code.USAGE
    assert str(path) in error
    assert fleet.repl.mach.not_("CmdScript")


async def test_a_missing_script_is_a_usage_error(fleet: Fleet, tmp_path: Path) -> None:
    code, _ = await fleet.refusal(f"script {tmp_path}/none")
    assert code is Code.USAGE


async def test_help_and_cheatsheet_name_every_command(fleet: Fleet) -> None:
    overview, sheet = await fleet.text("help"), await fleet.text("cheatsheet")
    commands = [c.text for c in candidates("", fleet.repl.pool)]
    assert len(commands) == 21
    assert {name for name in commands if name not in sheet} == {"cheatsheet"}
    for name in commands:
        assert f"  {name} " in overview
        assert (await fleet.text(f"help {name}")).startswith(f"Usage: {name}")


# The REPL as a machine.


async def test_wrong_words_are_syntax_errors_of_the_machine(fleet: Fleet) -> None:
    before = fleet.repl.mach.tick("ErrSyntax")
    for line in ("nope", "add", "add worker-1", "list -l 0", "list -r (", "when . A --timeout nan"):
        code, error = await fleet.refusal(line)
        assert code is Code.USAGE, line
        assert error
    assert fleet.repl.mach.tick("ErrSyntax") > before
    assert fleet.repl.mach.not_("Exception", "ErrSyntax")
    assert (await fleet.run("mach .")).code is Code.OK


@pytest.mark.parametrize(
    "line",
    [
        "add . Foo --arg n",
        "add . Foo --arg n --val 1 --arg n --val 2",
        "when-args . Foo",
        "when-time . -s Foo",
        "when-time . -s Foo -t -1",
        "help nope",
    ],
)
async def test_incomplete_commands_are_usage_errors(fleet: Fleet, line: str) -> None:
    assert (await fleet.refusal(line))[0] is Code.USAGE


async def test_the_state_of_a_command_is_active_while_it_runs(fleet: Fleet) -> None:
    seen: list[tuple[str, Any]] = []

    class Watcher(am.Tracer):
        def transition_end(self, transition: am.Transition) -> None:
            if transition.accepted and transition.mutation.kind == "add":
                seen.extend(
                    (state, transition.mutation.args.get("words"))
                    for state in transition.called
                    if state.startswith("Cmd")
                )

    fleet.repl.mach.bind_tracer(Watcher())
    for line in ("add . Ready", "remove . Ready", "list", "status", "inspect .", "group-add Ready"):
        await fleet.run(line)
    assert [state for state, _ in seen] == [
        "CmdAdd",
        "CmdRemove",
        "CmdList",
        "CmdStatus",
        "CmdInspect",
        "CmdGroupAdd",
    ]
    assert seen[0][1] == ["add", ".", "Ready"]
    assert not [state for state in fleet.repl.mach.active if state.startswith("Cmd")]


async def test_no_command_runs_without_a_connection() -> None:
    async with am.Machine(ReplStates) as mach:
        mach.add("Start", "Disconnected")
        for state in ReplStates.names():
            if state.startswith("Cmd"):
                assert mach.add(state) is am.CANCELED
        mach.add("Connected")
        assert mach.add("CmdAdd") is am.EXECUTED


async def test_the_shell_lists_machines_on_demand(fleet: Fleet) -> None:
    fleet.repl.mach.add("ListMachines")
    await fleet.repl.mach.when_not("ListMachines", "CmdList")
    await trio.testing.wait_all_tasks_blocked()
    assert [command for command, _ in fleet.shown] == ["list"]


async def test_an_arg_that_is_too_big_is_a_usage_error(fleet: Fleet) -> None:
    words = ["add", "worker-1", "Work", "--arg", "note", "--val", str([0] * 65_537)]
    assert (await fleet.repl.run(words)).code is Code.USAGE


async def test_a_bug_costs_a_command_and_not_the_session(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(net: Any) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr(am_rpc.NetworkMachine, "string_all", fail)
    code, error = await fleet.refusal("mach . --all")
    assert (code, error) == (Code.NO, "internal error: RuntimeError('a bug')")
    assert "a bug" in caplog.text
    assert await fleet.text("mach worker-1") == "worker-1 (Ready:1)"


# Completion.


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gr", ["group-add", "group-remove"]),
        ("mach ", [".", "odd", "worker-1", "worker-2"]),
        ("mach w", ["worker-1", "worker-2"]),
        ("add worker-1 ", ["Exception", "ErrOnClient", "ErrProviding", "ErrSendPayload",
                           "SendPayload", "Work", "Never"]),
        ("add worker-1 N", ["Never"]),
        ("add worker-1 Never N", []),
        ("remove worker-1 ", ["Ready", "Busy"]),
        ("when-not worker-1 ", ["Ready", "Busy"]),
        ("when worker-1 Bu", []),
        ("set worker-1 Bu", ["Busy"]),
        ("add worker-1 Work --arg ", ["n", "note"]),
        ("add worker-1 Work --arg n --val ", []),
        ("add worker-1 Ready --arg ", []),
        ("when-args worker-1 Wo", ["Work"]),
        ("when-time worker-1 -s Re", ["Ready"]),
        ("group-remove B", ["Busy"]),
        ("group-add O", []),
        ("list -a Od", ["Odd"]),
        ("list --id-p", ["--id-partial", "--id-prefix"]),
        ("list -p w", ["worker-1", "worker-2"]),
        ("list -l ", []),
        ("help wh", ["when", "when-not", "when-time", "when-args"]),
        ("mach worker-1 ", []),
        ("mach nobody --", ["--all"]),
        ("add nobody ", []),
        ("nope ", []),
    ],
)  # fmt: skip
async def test_completion_offers_what_fits(fleet: Fleet, line: str, expected: list[str]) -> None:
    fleet.machines["worker-1"].add("Busy")
    peer = next(peer for peer in fleet.repl.pool.peers if peer.id == "worker-1")
    assert peer.net is not None
    await peer.net.when("Busy")
    await peer.fetch_args()
    found = [candidate.text for candidate in candidates(line, fleet.repl.pool)]
    assert sorted(found) == sorted(expected)


async def test_completion_of_files(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "deploy.arpc").write_text("")
    (tmp_path / "dir").mkdir()
    found = candidates(f"script {tmp_path}/d", fleet.repl.pool)
    assert [c.text for c in found] == [f"{tmp_path}/deploy.arpc", f"{tmp_path}/dir/"]
    assert candidates(f"script {tmp_path}/none/", fleet.repl.pool) == []
