"""Twenty programs that no rule was tuned by: ten with a planted fault, ten without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import am_helpers as amh

from .runs import Corpus

if TYPE_CHECKING:
    import am_machine as am

    from .runs import Recording

HELD_OUT = Corpus()


@HELD_OUT.fault("flapping", "session/LoggedIn")
def a_session_that_is_logged_out_by_what_it_does(run: Recording) -> None:
    class Handlers:
        left = 8

        def MailState(self, event: am.Event) -> None:
            event.machine.remove("LoggedIn")

        def LoggedInState(self, event: am.Event) -> None:
            run.wait(0.3)
            event.machine.add("Mail")

        def LoggedInEnd(self, event: am.Event) -> None:
            self.left -= 1
            if self.left:
                event.machine.add("LoggedIn")

    session = run.machine(
        {"Start": {}, "LoggedIn": {"require": ["Start"]}, "Mail": {"require": ["LoggedIn"]}},
        "session",
        Handlers(),
    )
    session.add("Start")
    session.add("LoggedIn")


@HELD_OUT.fault("flapping", "valve/Open")
def two_controllers_of_one_valve(run: Recording) -> None:
    valve = run.machine({"Open": {}, "Alarm": {}}, "valve")

    class Cooler:
        def TooHotState(self, event: am.Event) -> None:
            valve.remove("Open")

    warm = run.machine({"TooCold": {}}, "heater")
    cool = run.machine({"TooHot": {}}, "cooler", Cooler())
    amh.bind(warm, valve, "TooCold", "Open")
    for _ in range(12):
        warm.add("TooCold")
        run.wait(0.2)
        cool.add("TooHot")
        run.wait(0.2)
        warm.remove("TooCold")
        cool.remove("TooHot")
        run.wait(0.1)


@HELD_OUT.fault("refused", "order/Paid")
def a_payment_that_is_blocked_by_another_state(run: Recording) -> None:
    order = run.machine(
        {"Frozen": {"remove": ["Paid"]}, "Paid": {}, "Seen": {"multi": True}}, "order"
    )
    order.add("Frozen")
    for k in range(16):
        order.add("Seen")
        order.add("Paid", id=k)
        run.wait(20)


@HELD_OUT.fault("refused", "broker/Subscribe")
def a_subscriber_that_is_not_known(run: Recording) -> None:
    class Broker:
        known = frozenset(("alice",))

        def SubscribeEnter(self, event: am.Event) -> bool:
            return event.mutation.args.get("name") in self.known

    broker = run.machine({"Subscribe": {"multi": True}}, "broker", Broker())

    class Bob:
        def RetryState(self, event: am.Event) -> None:
            broker.add("Subscribe", name="bob")

    bob = run.machine({"Retry": {"multi": True}}, "bob", Bob())
    broker.add("Subscribe", name="alice")
    for _ in range(11):
        bob.add("Retry")
        run.wait(2)


@HELD_OUT.fault("growing-queue", "crawler/")
def a_crawler_that_finds_more_than_it_visits(run: Recording) -> None:
    class Crawler:
        visits = 0

        def VisitState(self, event: am.Event) -> None:
            self.visits += 1
            for k in range(3 if self.visits % 2 else 1):
                event.machine.add("Visit", id=2 * self.visits + k)

    crawler = run.machine(
        {"Visit": {"multi": True}}, "crawler", Crawler(), queue_rounds=300, handler_timeout=30
    )
    crawler.add("Visit", id=0)
    crawler.remove("Exception")


@HELD_OUT.fault("slow-handler", "index/Rebuild")
def an_index_that_is_rebuilt_in_a_handler(run: Recording) -> None:
    class Index:
        def RebuildEnter(self, event: am.Event) -> bool:
            run.work(event, 0.9)
            return True

    index = run.machine({"Rebuild": {}, "Rebuilt": {}}, "index", Index())
    index.add("Rebuild")
    run.wait(5)
    index.add("Rebuilt")


@HELD_OUT.fault("unmet-wait", "job/Paused")
def a_wait_for_what_excludes_what_it_needs(run: Recording) -> None:
    job = run.machine(
        {"Running": {}, "Paused": {"remove": ["Running"]}, "Done": {"require": ["Running"]}}, "job"
    )
    job.add("Running")
    run.keep(job.when("Done", "Paused"))
    run.wait(2)
    job.add("Done")
    run.wait(2)


@HELD_OUT.fault("blocked-auto", "camera/Recording")
def a_camera_that_is_wanted_and_has_no_card(run: Recording) -> None:
    camera = run.machine(
        {
            "Power": {},
            "Card": {},
            "Lens": {"require": ["Power"]},
            "Recording": {"auto": True, "require": ["Lens", "Card"], "remove": ["Standby"]},
            "Standby": {},
            "Frame": {"multi": True},
        },
        "camera",
    )
    camera.add("Power", "Standby")
    camera.add("Lens")
    run.keep(camera.when("Recording"))
    for k in range(9):
        camera.add("Frame", id=k)
        run.wait(15)


@HELD_OUT.fault("blocked-auto", "store/Writable")
def a_store_that_is_read_only_for_ever(run: Recording) -> None:
    store = run.machine(
        {
            "Mounted": {},
            "Checked": {},
            "Writable": {"auto": True, "require": ["Mounted", "Checked"]},
            "Write": {"require": ["Writable"]},
            "Read": {"multi": True},
        },
        "store",
    )
    store.add("Mounted")
    for k in range(5):
        store.add("Read", id=k)
        store.add("Write", id=k)
        run.wait(25)
    store.add("Read")


@HELD_OUT.fault("unhandled", "fetcher/ErrFetch")
def a_fetcher_that_gives_up_silently(run: Recording) -> None:
    class Fetcher:
        def FetchState(self, event: am.Event) -> None:
            event.machine.add_err("ErrFetch", TimeoutError("no answer from the mirror"))

    fetcher = run.machine(
        {"Fetch": {}, "ErrFetch": {"require": ["Exception"]}, "Tick": {}}, "fetcher", Fetcher()
    )
    fetcher.add("Fetch")
    for _ in range(4):
        run.wait(10)
        fetcher.toggle("Tick")


# ---------------------------------------------------------------------- as it should be


@HELD_OUT.clean
def a_lease_that_is_taken_in_turn(run: Recording) -> None:
    broker = run.machine({"Leased": {}, "Served": {"require": ["Leased"]}}, "broker")

    class Client:
        def AskState(self, event: am.Event) -> None:
            if "Leased" not in broker:
                broker.add("Leased", id=event.tick)

        def DoneState(self, event: am.Event) -> None:
            broker.remove("Leased")

    states = {"Ask": {"remove": ["Done"]}, "Done": {"remove": ["Ask"]}}
    clients = [run.machine(states, f"client-{k}", Client()) for k in range(2)]
    for k in range(24):
        client = clients[k % 2]
        client.add("Ask")
        run.wait(0.1)
        client.add("Done")
        run.wait(0.1)


@HELD_OUT.clean
def a_mirror_that_follows_its_source(run: Recording) -> None:
    source = run.machine({"Playing": {}, "Loud": {"require": ["Playing"]}}, "source")
    mirror = run.machine({"Playing": {}, "Loud": {"require": ["Playing"]}}, "mirror")
    amh.bind_many(source, mirror, ["Playing", "Loud"])
    for k in range(4):
        source.add("Playing", id=k)
        source.add("Loud")
        run.wait(30)
        source.remove("Playing")
        run.wait(3)


@HELD_OUT.clean
def a_chat_of_two_machines(run: Recording) -> None:
    class Voice:
        other: am.Machine | None = None
        left = 15

        def SayState(self, event: am.Event) -> None:
            event.machine.remove("Say")
            self.left -= 1
            if self.left and self.other is not None:
                self.other.add("Say")

    voices = Voice(), Voice()
    machines = [run.machine({"Say": {}}, f"voice-{k}", voices[k]) for k in range(2)]
    voices[0].other, voices[1].other = machines[1], machines[0]
    machines[0].add("Say")
    run.wait(1)


@HELD_OUT.clean
def a_door_that_is_tried_now_and_then(run: Recording) -> None:
    door = run.machine({"Locked": {"remove": ["Open"]}, "Open": {}, "Closed": {}}, "door")
    for _ in range(6):
        door.add("Locked")
        for _ in range(6):
            door.add("Open")
            run.wait(5)
        door.remove("Locked")
        door.add("Open")
        run.wait(30)
        door.remove("Open")


@HELD_OUT.clean
def a_backlog_that_comes_and_goes(run: Recording) -> None:
    class Mail:
        def DeliverState(self, event: am.Event) -> None:
            for k in range(40):
                event.machine.add("Sorted", id=k)

    mail = run.machine({"Deliver": {"multi": True}, "Sorted": {"multi": True}}, "mail", Mail())
    for _ in range(6):
        mail.add("Deliver")
        run.wait(10)


@HELD_OUT.clean
def a_program_that_starts_slowly_once(run: Recording) -> None:
    class Handlers:
        def StartState(self, event: am.Event) -> None:
            run.work(event, 0.3)

        def TickState(self, event: am.Event) -> None:
            run.work(event, 0.001)

    program = run.machine({"Start": {}, "Tick": {"multi": True}}, "program", Handlers())
    program.add("Start")
    for _ in range(20):
        program.add("Tick")
        run.wait(1)


@HELD_OUT.clean
def a_test_that_waits_for_several_things(run: Recording) -> None:
    machine = run.machine(
        {
            "Connected": {},
            "Ready": {"require": ["Connected"]},
            "Draining": {"remove": ["Accepting"]},
            "Accepting": {},
            "Bye": {"multi": True},
        },
        "machine",
    )
    machine.add("Connected")
    machine.add("Ready", "Accepting")
    run.keep(
        machine.when("Draining"),
        machine.when_not("Ready"),
        machine.when("Bye", "Ready"),
        machine.when_any("Draining", "Accepting"),
    )
    for _ in range(4):
        run.wait(90)
    machine.add("Bye")
    machine.remove("Bye")


@HELD_OUT.clean
def a_robot_with_modes(run: Recording) -> None:
    robot = run.machine(
        {
            "Start": {},
            "Ready": {"auto": True, "require": ["Start"], "remove": ["Charging"]},
            "Charging": {"remove": ["Moving"]},
            "Moving": {"require": ["Ready"]},
            "Night": {"auto": True, "require": ["Charging", "Dark"]},
            "Dark": {},
        },
        "robot",
    )
    robot.add("Start")
    for k in range(5):
        robot.add("Moving", id=k)
        run.wait(100)
        robot.remove("Moving")
        run.wait(20)


@HELD_OUT.clean
def a_retry_that_works_in_the_end(run: Recording) -> None:
    class Handlers:
        left = 4

        def ErrNetworkState(self, event: am.Event) -> None:
            event.machine.remove("Exception")

        def DownloadState(self, event: am.Event) -> None:
            self.left -= 1
            if self.left:
                event.machine.remove("Download")
                event.machine.add_err("ErrNetwork", OSError("reset"))

    client = run.machine(
        {"Download": {}, "ErrNetwork": {"require": ["Exception"]}}, "client", Handlers()
    )
    for _ in range(4):
        client.add("Download")
        run.wait(3)


@HELD_OUT.clean
def a_sensor_that_reports_quickly(run: Recording) -> None:
    sensor = run.machine(
        {
            "Sample": {"multi": True},
            "High": {"remove": ["Low"]},
            "Low": {"remove": ["High"]},
            "Heartbeat": {},
        },
        "sensor",
    )
    for k in range(60):
        sensor.add("Sample", id=k)
        sensor.add("High" if k % 5 else "Low")
        sensor.add("Heartbeat")
        sensor.remove("Heartbeat")
        run.wait(0.05)
