# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""Pipes: what happens to a state of one machine happens to a state of another."""

from __future__ import annotations

import am_helpers as amh
import am_machine as am


class ServiceStates(amh.Basic):
    """Basic brings Start, Ready and the errors."""

    Busy = am.State(require=[amh.Basic.Ready])


class PanelStates(am.States):
    """A panel that shows how a service is."""

    Ready = am.State()
    ServiceBusy = am.State()
    Idle = am.State()
    ErrService = am.State(multi=True, require=["Exception"])


class Report:
    """Prints errors, which a machine would log otherwise."""

    def ExceptionState(self, event: am.Event) -> None:
        """Tell which machine has an error, and which."""
        error = event.args["err"]
        reason, _, _pipe = str(error).partition(":")
        print(f"  {type(error).__name__} in {event.machine.id}: {reason}")


class Inverted:
    """A pipe that turns its state round is nothing but two handlers."""

    def __init__(self, target: am.Machine) -> None:
        self.target = target

    def BusyState(self, event: am.Event) -> None:
        """Busy is not idle."""
        self.target.remove("Idle")

    def BusyEnd(self, event: am.Event) -> None:
        """Not busy is idle."""
        self.target.add("Idle")


class OnceStates(am.States):
    """A ball that is there or not."""

    Ball = am.State()


class AgainStates(am.States):
    """A ball that can be caught again and again."""

    Ball = am.State(multi=True)


def service_and_panel() -> tuple[am.Machine, am.Machine]:
    """Conventional pipes, one of one's own, an inverted one; then one is detached."""
    service = am.Machine(ServiceStates, id="service")
    panel = am.Machine(PanelStates, handlers=Report(), id="panel")
    service.bind({"ExceptionState": lambda event: None}, name="quiet")  # the panel reports
    for mach in (service, panel):
        amh.debug_env(mach)

    ready = amh.bind_ready(service, panel)
    amh.bind_err(service, panel, "ErrService")
    amh.bind(service, panel, "Busy", "ServiceBusy")
    service.bind(Inverted(panel))

    for title, states in (("ready", ["Start", "Ready"]), ("busy", ["Busy"])):
        service.add(*states)
        print(f"{title}: panel {panel}")
    service.remove("Busy")
    print("not busy:", panel)
    service.add_err("ErrNetwork", OSError("the cable is cut"))
    print("failed:", panel)

    ready.detach()
    service.remove("Ready")
    print("detached, so Ready stays:", panel)
    print("synced by hand:", amh.sync(service, panel, ["Ready"]), panel)
    return service, panel


def ring(states: type[am.States]) -> None:
    """Two machines throw a ball to each other; somebody has to stop it."""
    left = am.Machine(states, handlers=Report(), id="left")
    right = am.Machine(states, handlers=Report(), id="right")
    for source, target in ((left, right), (right, left)):
        amh.debug_env(source)
        amh.bind(source, target, "Ball")
    left.add("Ball")
    print(f"{states.__name__}: caught {amh.activations(left.tick('Ball'))} times on the left")


def story() -> None:
    """A panel beside a service, then two rings of pipes."""
    service, panel = service_and_panel()
    ring(OnceStates)  # an active state is not entered again
    ring(AgainStates)  # a mutation goes through 32 machines at most
    print("in the end:", service.string_all())
    print("in the end:", panel.string_all())


def main() -> None:
    """Run the story; no event loop is needed."""
    story()


if __name__ == "__main__":
    main()
