"""Twenty programs by which rules were tuned: ten with a planted fault, ten without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import am_helpers as amh
import am_machine as am

from .runs import Corpus

if TYPE_CHECKING:
    from .runs import Recording

TUNED = Corpus()
LINK = {
    "Start": {},
    "ErrNetwork": {"require": ["Exception"], "remove": ["Connected"]},
    "Connected": {"require": ["Start"]},
    "Ready": {"auto": True, "require": ["Connected"]},
}


@TUNED.fault("flapping", "link/Connected")
def a_connection_that_breaks_at_once(run: Recording) -> None:
    link = run.machine(LINK, "link")
    link.add("Start")
    for _ in range(9):
        link.add("Connected")
        run.wait(0.4)
        link.add_err("ErrNetwork", OSError("reset by peer"))
        run.wait(0.5)
        link.remove("Exception")
    link.add("Connected")


@TUNED.fault("flapping", "lamp/On")
def two_who_fight_for_a_lamp(run: Recording) -> None:
    lamp = run.machine({"On": {}}, "lamp")

    class Dusk:
        def TickState(self, event: am.Event) -> None:
            lamp.add("On")

    class Saver:
        def TickState(self, event: am.Event) -> None:
            lamp.remove("On")

    dusk = run.machine({"Tick": {"multi": True}}, "dusk", Dusk())
    saver = run.machine({"Tick": {"multi": True}}, "saver", Saver())
    for _ in range(10):
        dusk.add("Tick")
        run.wait(0.3)
        saver.add("Tick")
        run.wait(0.3)


@TUNED.fault("refused", "worker/Work")
def work_that_lacks_a_licence(run: Recording) -> None:
    worker = run.machine(
        {"Licence": {}, "Work": {"require": ["Licence"]}, "Beat": {"multi": True}}, "worker"
    )

    class Client:
        def AskState(self, event: am.Event) -> None:
            worker.add("Work")

    client = run.machine({"Ask": {"multi": True}}, "client", Client())
    for _ in range(14):
        client.add("Ask")
        worker.add("Beat")
        run.wait(1)


@TUNED.fault("blocked-auto", "node/Joined")
def a_node_that_votes_against_joining(run: Recording) -> None:
    class Node:
        def JoinedEnter(self, event: am.Event) -> bool:
            return False

    node = run.machine(
        {"Start": {}, "Joined": {"auto": True, "require": ["Start"]}, "Ping": {}}, "node", Node()
    )
    node.add("Start")
    for _ in range(10):
        node.toggle("Ping")
        run.wait(20)
    node.toggle("Ping")


@TUNED.fault("growing-queue", "feeder/")
def a_feeder_that_feeds_itself(run: Recording) -> None:
    class Feeder:
        def JobState(self, event: am.Event) -> None:
            event.machine.add("Job")
            event.machine.add("Job")

    feeder = run.machine(
        {"Job": {"multi": True}}, "feeder", Feeder(), queue_rounds=400, handler_timeout=30
    )
    feeder.add("Job")
    feeder.remove("Exception")


@TUNED.fault("slow-handler", "disk/Store")
def a_handler_that_writes_to_a_slow_disk(run: Recording) -> None:
    class Disk:
        def StoreState(self, event: am.Event) -> None:
            run.work(event, 0.3)

    disk = run.machine({"Store": {"multi": True}}, "disk", Disk())
    for _ in range(3):
        disk.add("Store")
        run.wait(1)


@TUNED.fault("unmet-wait", "door/Open")
def a_wait_for_open_and_closed(run: Recording) -> None:
    door = run.machine({"Open": {"remove": ["Closed"]}, "Closed": {"remove": ["Open"]}}, "door")
    door.add("Closed")
    run.keep(door.when("Open", "Closed"))
    run.wait(5)
    door.add("Open")


@TUNED.fault("unmet-wait", "service/Ready")
def a_wait_for_ready_that_nobody_adds(run: Recording) -> None:
    service = run.machine({"Start": {}, "Ready": {"require": ["Start"]}, "Tick": {}}, "service")
    service.add("Start")
    run.keep(service.when("Ready"))
    for _ in range(3):
        run.wait(60)
        service.toggle("Tick")


@TUNED.fault("blocked-auto", "server/Ready")
def a_server_that_never_becomes_ready(run: Recording) -> None:
    server = run.machine(
        {
            "Start": {},
            "Bound": {},
            "Migrated": {},
            "Ready": {"auto": True, "require": ["Bound", "Migrated"]},
            "Beat": {"multi": True},
        },
        "server",
    )
    server.add("Start")
    server.add("Bound")
    for _ in range(6):
        server.add("Beat")
        run.wait(30)
    server.add("Beat")


@TUNED.fault("unhandled", "parser/Exception")
def a_parser_that_stops_at_an_error(run: Recording) -> None:
    class Parser:
        def ParseState(self, event: am.Event) -> None:
            raise ValueError("line 7")

    parser = run.machine({"Parse": {}}, "parser", Parser())
    parser.add("Parse")
    run.wait(3)


# ---------------------------------------------------------------------- as it should be


@TUNED.clean
def a_worker_with_much_to_do(run: Recording) -> None:
    worker = run.machine(
        {"Start": {}, "Idle": {"remove": ["Working"]}, "Working": {"remove": ["Idle"]}}, "worker"
    )
    worker.add("Start", "Idle")
    for k in range(60):
        worker.add("Working", id=k)
        run.wait(0.02)
        worker.add("Idle")
        run.wait(0.01)


class FileStates(am.States):
    Processing = am.State(remove=["Processed"])
    Processed = am.State(remove=["Processing"])
    InProgress = am.State(auto=True, require=[Processing])


@TUNED.clean
def files_one_after_the_other(run: Recording) -> None:
    class Handlers:
        left = 40

        def ProcessedState(self, event: am.Event) -> None:
            self.left -= 1
            if self.left:
                event.machine.add("Processing", name=f"{self.left}.txt")

        def InProgressState(self, event: am.Event) -> None:
            run.work(event, 0.02)
            event.machine.add("Processed")

    files = run.machine(FileStates, "files", Handlers())
    files.add("Processing", name="first.txt")
    run.wait(1)


@TUNED.clean
def a_traffic_light(run: Recording) -> None:
    light = run.machine(
        {
            "Green": {"remove": ["Yellow", "Red"]},
            "Yellow": {"remove": ["Green", "Red"]},
            "Red": {"remove": ["Green", "Yellow"]},
        },
        "light",
    )
    for _ in range(20):
        for color in ("Green", "Yellow", "Red"):
            light.add(color)
            run.wait(0.2)


@TUNED.clean
def a_busy_server_that_refuses_for_a_while(run: Recording) -> None:
    class Server:
        busy = False

        def WorkEnter(self, event: am.Event) -> bool:
            return not self.busy

    handlers = Server()
    server = run.machine({"Work": {"multi": True}}, "server", handlers)
    for _ in range(3):
        server.add("Work")
        handlers.busy = True
        for _ in range(8):
            server.add("Work")
            run.wait(0.1)
        handlers.busy = False
    server.add("Work")


@TUNED.clean
def a_burst_that_is_worked_off(run: Recording) -> None:
    class Handlers:
        def BurstState(self, event: am.Event) -> None:
            for k in range(120):
                event.machine.add("Job", id=k)

    burst = run.machine({"Burst": {}, "Job": {"multi": True}}, "burst", Handlers())
    burst.add("Burst")
    run.wait(1)


@TUNED.clean
def handlers_that_are_quick_enough(run: Recording) -> None:
    class Handlers:
        def StoreState(self, event: am.Event) -> None:
            run.work(event, 0.15 if event.tick == 5 else 0.01)

    disk = run.machine({"Store": {"multi": True}}, "disk", Handlers())
    for _ in range(12):
        disk.add("Store")
        run.wait(1)


@TUNED.clean
def waits_for_what_may_come(run: Recording) -> None:
    service = run.machine(
        {"Start": {}, "Ready": {"require": ["Start"]}, "Stopping": {}, "Tick": {}}, "service"
    )
    service.add("Start")
    run.keep(service.when("Stopping"), service.when("Ready", "Tick"))
    service.add("Ready")
    for _ in range(5):
        run.wait(60)


@TUNED.clean
def autos_that_have_nothing_to_do(run: Recording) -> None:
    app = run.machine(
        {
            "Start": {},
            "Ready": {"auto": True, "require": ["Start"]},
            "Job": {},
            "Busy": {"auto": True, "require": ["Job"]},
            "Dark": {"auto": True, "require": ["Ready"], "remove": ["Light"]},
            "Light": {"remove": ["Dark"]},
            "Beat": {"multi": True},
        },
        "app",
    )
    app.add("Start")
    app.add("Light")
    for _ in range(10):
        app.add("Beat")
        run.wait(30)


@TUNED.clean
def an_error_that_is_handled(run: Recording) -> None:
    class Handlers:
        def ExceptionState(self, event: am.Event) -> None:
            event.machine.remove("Exception")

        def WorkState(self, event: am.Event) -> None:
            raise OSError("full")

    worker = run.machine({"Work": {"multi": True}}, "worker", Handlers())
    for _ in range(3):
        worker.add("Work")
        run.wait(5)


@TUNED.clean
def a_connection_that_breaks_twice_in_an_hour(run: Recording) -> None:
    link = run.machine(LINK, "link")
    screen = run.machine({"Shown": {}}, "screen")
    amh.bind(link, screen, "Ready", "Shown")
    link.add("Start")
    for _ in range(3):
        link.add("Connected")
        run.wait(1200)
        link.add_err("ErrNetwork", OSError("reset by peer"))
        run.wait(2)
        link.remove("Exception")
    link.add("Connected")
