"""The semantic log: what a machine records for tools beyond its clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Pipe(NamedTuple):
    """A pipe as the semantic log knows it: what this machine's `state` does to, or gets from,
    another machine."""

    direction: str
    kind: str
    state: str
    machine_id: str


class SemLog:
    """What a machine records for tools beyond its clocks. All switches are off at first.

    `steps` fills `transition.steps`; `checks` keeps them for checks too; `graph`, `queued`, `args`,
    `when` and `state_ctx` tell tools which of these to export. `pipes` lists the pipes in and out.
    """

    __slots__ = ("_emit", "_piped", "_switched", "_values", "pipes")

    SWITCHES = ("steps", "graph", "checks", "queued", "args", "when", "state_ctx")

    def __init__(
        self,
        emit: Callable[[str], None],
        switched: Callable[[], None],
        piped: Callable[[], None],
    ) -> None:
        # What to do with a line, when a switch was thrown, when pipes came or went.
        self._emit = emit
        self._switched = switched
        self._piped = piped
        self._values: dict[str, bool] = dict.fromkeys(self.SWITCHES, False)
        self.pipes: list[Pipe] = []

    def pipe_out(self, kind: str, state: str, target_id: str) -> None:
        """Note a pipe whose source is this machine; `kind` is add or remove."""
        self.pipes.append(Pipe("out", kind, state, target_id))
        self._emit(f"[pipe-out:{kind}] {state} to {target_id}")
        self._piped()

    def pipe_in(self, kind: str, state: str, source_id: str) -> None:
        """Note a pipe whose target is this machine."""
        self.pipes.append(Pipe("in", kind, state, source_id))
        self._emit(f"[pipe-in:{kind}] {state} from {source_id}")
        self._piped()

    def pipe_gc(self, machine_id: str, direction: str | None = None) -> None:
        """Forget the pipes to and from a machine that is gone, or only those of one `direction`
        (in or out)."""
        kept = [
            pipe
            for pipe in self.pipes
            if pipe.machine_id != machine_id or direction not in (None, pipe.direction)
        ]
        if len(kept) < len(self.pipes):
            self.pipes = kept
            self._emit(f"[pipe:gc] {machine_id}")
            self._piped()

    @property
    def steps(self) -> bool:
        """Whether transitions record their steps."""
        return self._values["steps"]

    @steps.setter
    def steps(self, on: bool) -> None:
        self._put("steps", on)

    @property
    def graph(self) -> bool:
        """Whether tools get pipes and relations between machines."""
        return self._values["graph"]

    @graph.setter
    def graph(self, on: bool) -> None:
        self._put("graph", on)

    @property
    def checks(self) -> bool:
        """Whether steps of checks are kept."""
        return self._values["checks"]

    @checks.setter
    def checks(self, on: bool) -> None:
        self._put("checks", on)

    @property
    def queued(self) -> bool:
        """Whether tools get queued mutations."""
        return self._values["queued"]

    @queued.setter
    def queued(self, on: bool) -> None:
        self._put("queued", on)

    @property
    def args(self) -> bool:
        """Whether tools get logged args."""
        return self._values["args"]

    @args.setter
    def args(self, on: bool) -> None:
        self._put("args", on)

    @property
    def when(self) -> bool:
        """Whether tools get waits."""
        return self._values["when"]

    @when.setter
    def when(self, on: bool) -> None:
        self._put("when", on)

    @property
    def state_ctx(self) -> bool:
        """Whether tools get state contexts."""
        return self._values["state_ctx"]

    @state_ctx.setter
    def state_ctx(self, on: bool) -> None:
        self._put("state_ctx", on)

    def _put(self, name: str, value: bool) -> None:
        self._values[name] = bool(value)
        self._switched()

    def __repr__(self) -> str:
        on = " ".join([name for name, value in self._values.items() if value])
        return f"<SemLog {on or 'off'}, {len(self.pipes)} pipes>"
