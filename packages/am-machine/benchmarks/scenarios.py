"""Further work that several of the libraries can do, as loops to be measured side by side."""

from __future__ import annotations

import itertools
from typing import Any, Protocol, cast

from automat import TypeMachineBuilder
from peers import MOVES, OURS, BareChart, Core, FooStates, Loop, Model, automat_factory
from statemachine import State, StateMachine
from transitions import Machine as FsmMachine

import am_machine as am

RING = [f"State{number}" for number in range(50)]


# -- one more machine of a known kind -------------------------------------------------------------


def creators() -> dict[str, Loop]:
    schema = FooStates.schema()
    shared = FsmMachine(
        None, states=["off", "foo"], transitions=MOVES, initial="off", auto_transitions=False
    )
    build = automat_factory("bare")

    def machines(count: int) -> None:
        for _ in range(count):
            am.Machine(schema)

    def models(count: int) -> None:
        # The way it recommends for many: one machine, and a model for each.
        for _ in range(count):
            model = Model()
            shared.add_model(model)
            shared.remove_model(model)

    def typed(count: int) -> None:
        for _ in range(count):
            build(Core())

    def charts(count: int) -> None:
        for _ in range(count):
            BareChart()

    return {OURS: machines, "transitions": models, "automat": typed, "python-statemachine": charts}


# -- is a state active? ---------------------------------------------------------------------------


def readers() -> dict[str, Loop]:
    """Automat does not tell."""
    machine = am.Machine(FooStates)
    model = cast("Any", Model())
    FsmMachine(model, states=["off", "foo"], transitions=MOVES, initial="off")
    chart = BareChart()

    def is_(count: int) -> None:
        for _ in range(count):
            machine.is_("Foo")

    def is_foo(count: int) -> None:
        for _ in range(count):
            model.is_foo()

    def is_active(count: int) -> None:
        for _ in range(count):
            chart.foo.is_active  # noqa: B018

    return {OURS: is_, "transitions": is_foo, "python-statemachine": is_active}


# -- a step round a ring of fifty states ----------------------------------------------------------


class Step(Protocol):
    """The input of the ring."""

    def step(self) -> None: ...


def ring_inputs() -> Step:
    builder = TypeMachineBuilder(Step, Core)
    states = [builder.state(name) for name in RING]
    for this, following in zip(states, [*states[1:], states[0]], strict=True):
        this.upon(Step.step).to(following).returns(None)
    return builder.build()(Core())


def ring_chart() -> Any:
    states = {name: State(initial=name == RING[0]) for name in RING}
    ring = list(states.values())
    step = ring[-1].to(ring[0])
    for this, following in itertools.pairwise(ring):
        step |= this.to(following)
    return type("RingChart", (StateMachine,), {**states, "step": step})()


def rings() -> dict[str, Loop]:
    machine = am.Machine({name: {"remove": RING} for name in RING})
    names = itertools.cycle(RING)
    model = cast("Any", Model())
    fsm = FsmMachine(model, states=RING, initial=RING[0], auto_transitions=False)
    fsm.add_ordered_transitions(trigger="step")

    def add(count: int) -> None:
        for name in itertools.islice(names, count):
            machine.add(name)

    return {
        OURS: add,
        "transitions": stepping(model),
        "automat": stepping(ring_inputs()),
        "python-statemachine": stepping(ring_chart()),
    }


def stepping(machine: Any) -> Loop:
    def loop(count: int) -> None:
        for _ in range(count):
            machine.step()

    return loop


# -- the active state is entered again, with arguments --------------------------------------------


class Ping(Protocol):
    """The input with arguments."""

    def ping(self, value: int, name: str) -> None: ...


class PingHandlers:
    """Adds up what comes."""

    def __init__(self) -> None:
        self.total = 0

    def PingState(self, event: am.Event) -> None:
        self.total += cast("Any", event.args)["value"]


class PingModel:
    """Adds up what comes."""

    def __init__(self) -> None:
        self.total = 0

    def pinged(self, value: int, name: str) -> None:
        self.total += value


class PingChart(StateMachine):
    """Adds up what comes."""

    idle = State(initial=True)
    ping = idle.to(idle)

    def __init__(self) -> None:
        self.total = 0
        super().__init__()

    def on_ping(self, value: int, name: str) -> None:
        self.total += value


def ping_inputs() -> Ping:
    builder = TypeMachineBuilder(Ping, Core)
    idle = builder.state("idle")

    @idle.upon(Ping.ping).loop()
    def ping(inputs: Ping, core: Core, value: int, name: str) -> None:
        core.count += value

    return builder.build()(Core())


def pings() -> dict[str, Loop]:
    machine = am.Machine({"Ping": {"multi": True}}, handlers=PingHandlers())
    model = cast("Any", PingModel())
    idle = {"name": "idle", "on_enter": model.pinged}
    moves = [["ping", "idle", "idle"]]
    FsmMachine(model, states=[idle], transitions=moves, initial="idle", auto_transitions=False)

    def add(count: int) -> None:
        for _ in range(count):
            machine.add("Ping", value=1, name="x")

    return {
        OURS: add,
        "transitions": pinging(model),
        "automat": pinging(ping_inputs()),
        "python-statemachine": pinging(PingChart()),
    }


def pinging(machine: Any) -> Loop:
    def loop(count: int) -> None:
        for _ in range(count):
            machine.ping(value=1, name="x")

    return loop


# -- mutations made in one handler, all done before the outer call returns ------------------------


class QueueHandlers:
    """Makes many mutations, and leaves itself by the last of them."""

    def __init__(self, size: int) -> None:
        self.pairs = size // 2

    def StartState(self, event: am.Event) -> None:
        add, remove = event.machine.add, event.machine.remove
        for _ in range(self.pairs):
            add("Ping", n=1)
            remove("Ping", n=1)
        remove("Start")


class QueueModel:
    """Triggers many events, of which the first leaves the state."""

    def __init__(self, size: int) -> None:
        self.size = size

    def started(self) -> None:
        for _ in range(self.size):
            cast("Any", self).ping(n=1)


class QueueChart(StateMachine):
    """Sends many events, of which the first leaves the state."""

    idle = State(initial=True)
    started = State()
    start = idle.to(started)
    ping = started.to(idle) | idle.to(idle)

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__()

    def on_enter_started(self) -> None:
        for _ in range(self.size):
            self.ping(n=1)


def queues(size: int) -> dict[str, Loop]:
    """Automat has no queue: a call made in an output runs at once."""
    machine = am.Machine(
        {"Start": {}, "Ping": {}}, handlers=QueueHandlers(size), queue_limit=size + 10
    )
    model = cast("Any", QueueModel(size))
    started = {"name": "started", "on_enter": lambda: model.started()}
    moves: list[Any] = [["start", "idle", "started"], ["ping", ["started", "idle"], "idle"]]
    FsmMachine(
        model,
        states=["idle", started],
        transitions=moves,
        initial="idle",
        queued=True,
        auto_transitions=False,
    )

    def add(count: int) -> None:
        for _ in range(count):
            machine.add("Start")

    return {
        OURS: add,
        "transitions": starting(model),
        "python-statemachine": starting(QueueChart(size)),
    }


def starting(machine: Any) -> Loop:
    def loop(count: int) -> None:
        for _ in range(count):
            machine.start()

    return loop
