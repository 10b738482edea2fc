# /// script
# requires-python = ">=3.11"
# dependencies = ["am-machine"]
#
# [tool.uv.sources]
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""States as plain strings, a schema as a plain dict: process files, one after another."""

from __future__ import annotations

from typing import Any

import trio

import am_machine as am

# An action and its outcome remove each other; InProgress follows the action by itself.
SCHEMA: dict[str, dict[str, Any]] = {
    "ProcessingFile": {"remove": ["FileProcessed"]},
    "FileProcessed": {"remove": ["ProcessingFile"]},
    "InProgress": {"auto": True, "require": ["ProcessingFile"]},
}
SECONDS = {"a.txt": 0.02, "huge.txt": 60.0}


class Handlers:
    """Methods are bound by name: a state and a suffix."""

    def ProcessingFileEnter(self, event: am.Event) -> bool:
        """Negotiation: no name of a file, no processing."""
        return isinstance(event.args.get("filename"), str)

    async def ProcessingFileState(self, event: am.Event) -> None:
        """The work: a task that is cancelled when ProcessingFile is left."""
        name = event.args["filename"]
        await trio.sleep(SECONDS[name])
        event.add("FileProcessed", filename=name)

    def ProcessingFileEnd(self, event: am.Event) -> None:
        """Final: the state was left, whatever the reason."""
        if "FileProcessed" not in event.machine:
            print("  left without an outcome")

    def FileProcessedState(self, event: am.Event) -> None:
        """Final: the clocks have moved already."""
        print(f"  processed {event.args['filename']}")

    def ExceptionState(self, event: am.Event) -> None:
        """Any error of any handler or task ends up here."""
        print(f"  failed: {event.args['err']!r}")


async def story() -> None:
    """Process a file, refuse one, run out of patience with one, fail with one."""
    async with am.Machine(SCHEMA, handlers=Handlers(), id="files") as mach:
        print("a file:", mach.add("ProcessingFile", filename="a.txt"), mach)
        await mach.when("FileProcessed")

        print("no file:", mach.add("ProcessingFile"), mach)

        print("a huge file:", mach.add("ProcessingFile", filename="huge.txt"), mach)
        with trio.move_on_after(0.05) as patience:
            await mach.when("FileProcessed")
        print("out of patience:", patience.cancelled_caught)
        mach.remove("ProcessingFile")  # takes InProgress along, and cancels the task

        failed = mach.when_err()
        print("an unknown file:", mach.add("ProcessingFile", filename="b.txt"), mach)
        await failed
        mach.remove("ProcessingFile", "Exception")
        print("in the end:", mach.string_all())


def main() -> None:
    """Run the story."""
    trio.run(story)


if __name__ == "__main__":
    main()
