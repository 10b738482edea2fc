"""Programs of several machines that go wrong: each with the symptom that a user sees, and what has
to be named as the cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import am_helpers as amh

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    from ..lints.runs import Recording


@dataclass(frozen=True)
class Fault:
    """A program; the symptom is a state of a machine that is not as it should be."""

    play: Callable[[Recording], None]
    machine: str
    state: str
    cause: tuple[str, ...]
    """All that has to be said on the page that one key opens."""
    is_lint: bool = False
    """It is found by looking for what looks wrong, not by asking why."""

    @property
    def name(self) -> str:
        return self.play.__name__


def a_requirement_two_hops_away(run: Recording) -> None:
    """The page is not shown, since the store two machines further lacks its key."""
    store = run.machine({"Key": {}, "Open": {"require": ["Key"]}}, "store")
    service = run.machine({"Open": {}, "Serving": {"auto": True, "require": ["Open"]}}, "service")
    page = run.machine({"Serving": {}, "Shown": {"require": ["Serving"]}}, "page")
    amh.bind(store, service, "Open")
    amh.bind(service, page, "Serving")
    store.add("Open")
    for k in range(3):
        page.add("Shown", id=k)
        run.wait(1)


def a_veto(run: Recording) -> None:
    """The client has no result, since a handler of the worker refuses the work."""

    class Worker:
        def WorkEnter(self, event: am.Event) -> bool:
            return event.mutation.args.get("name") != "b.txt"

        def WorkState(self, event: am.Event) -> None:
            event.machine.add("Done")

    class Broker:
        def RouteState(self, event: am.Event) -> None:
            worker.add("Work", **event.mutation.args)

    class Client:
        def AskState(self, event: am.Event) -> None:
            broker.add("Route", **event.mutation.args)

    worker = run.machine({"Work": {"multi": True}, "Done": {}}, "worker", Worker())
    broker = run.machine({"Route": {"multi": True}}, "broker", Broker())
    client = run.machine({"Ask": {}, "Done": {}}, "client", Client())
    amh.bind(worker, client, "Done")
    client.add("Ask", name="b.txt")


def a_lost_race(run: Recording) -> None:
    """The second client has no lease, since the first one was quicker."""

    class Broker:
        def LeasedState(self, event: am.Event) -> None:
            holders[event.mutation.args["name"]].add("Holding")

    class Client:
        def AskState(self, event: am.Event) -> None:
            broker.add("Leased", name=event.machine.id)

    broker = run.machine({"Leased": {}}, "broker", Broker())
    states = {"Ask": {}, "Holding": {"require": ["Ask"]}}
    holders = {name: run.machine(states, name, Client()) for name in ("client-a", "client-b")}
    holders["client-a"].add("Ask")
    run.wait(0.001)
    holders["client-b"].add("Ask")


def a_queue_that_never_drains(run: Recording) -> None:
    """The dispatcher never stops, since each job adds two more before it."""

    class Dispatcher:
        def JobState(self, event: am.Event) -> None:
            event.machine.add("Job")
            event.machine.add("Job")
            if event.tick == 81:
                console.add("Stop")
            if event.tick == 121:
                run.stop()  # somebody looks, while it is busy

    dispatcher = run.machine(
        {"Job": {"multi": True}, "Stopped": {}},
        "dispatcher",
        Dispatcher(),
        queue_rounds=200,
        handler_timeout=30,
    )
    feeder = run.machine({"Job": {}}, "feeder")
    console = run.machine({"Stop": {}}, "console")
    amh.bind(feeder, dispatcher, "Job")
    amh.bind(console, dispatcher, "Stop", "Stopped")
    feeder.add("Job")


def a_state_that_flaps(run: Recording) -> None:
    """The screen flickers, since the link to the sensor breaks each time that it is used."""

    class Sensor:
        def SampleState(self, event: am.Event) -> None:
            event.machine.remove("Sample")
            link.add_err("ErrNetwork", OSError("reset by peer"))

    class Link:
        def ConnectedState(self, event: am.Event) -> None:
            sensor.add("Sample")

        def ErrNetworkState(self, event: am.Event) -> None:
            event.machine.remove("Exception")

    sensor = run.machine({"Sample": {}}, "sensor", Sensor())
    link = run.machine(
        {
            "Start": {},
            "ErrNetwork": {"require": ["Exception"], "remove": ["Connected"]},
            "Connected": {"require": ["Start"]},
            "Ready": {"auto": True, "require": ["Connected"]},
        },
        "link",
        Link(),
    )
    screen = run.machine({"Ready": {}, "Shown": {"auto": True, "require": ["Ready"]}}, "screen")
    amh.bind(link, screen, "Ready")
    link.add("Start")
    for _ in range(10):
        link.add("Connected")
        run.wait(0.5)


FAULTS = (
    Fault(
        a_requirement_two_hops_away,
        "page",
        "Shown",
        (
            "it comes by a pipe from service: Serving",
            "it comes by a pipe from store: Open",
            "Open was dropped: it requires Key, which is inactive",
            "nothing that is kept has called Key",
        ),
    ),
    Fault(
        a_veto,
        "client",
        "Done",
        ("WorkEnter voted against it", "called by broker/1", "called by client/1"),
    ),
    Fault(
        a_lost_race,
        "client-b",
        "Holding",
        ("which changed nothing there", "Leased is active since", "by client-a/2 add Ask"),
    ),
    Fault(
        a_queue_that_never_drains,
        "dispatcher",
        "Stopped",
        ("waits behind", "the first of them: add Job", "queued by console/1 add Stop"),
    ),
    Fault(
        a_state_that_flaps,
        "screen",
        "Shown",
        ("link: Connected flaps", "an error ends it", "reset by peer", "sensor/"),
        is_lint=True,
    ),
)
