# /// script
# requires-python = ">=3.11"
# dependencies = ["am-machine"]
#
# [tool.uv.sources]
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""Typed states, typed args, and handlers with data of their own: count the words of files."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import trio

import am_machine as am


@dataclass
class FileArgs:
    """What ProcessingFile takes."""

    path: Path


@dataclass
class CountArgs:
    """What FileProcessed takes."""

    path: Path
    words: int


class FileStates(am.States):
    """An action, its outcome, and a state that follows by itself."""

    ProcessingFile = am.State(remove=["FileProcessed"], args=FileArgs)
    FileProcessed = am.State(remove=[ProcessingFile], args=CountArgs)
    InProgress = am.State(auto=True, require=[ProcessingFile])


class Handlers:
    """An ordinary object: its data live here, its statuses in the machine."""

    def __init__(self) -> None:
        self.counted: dict[str, int] = {}

    def ProcessingFileEnter(self, event: am.Event) -> bool:
        """Negotiation: each file once."""
        args: FileArgs = event.args
        return args.path.name not in self.counted

    async def ProcessingFileState(self, event: am.Event) -> None:
        """The work; a missing file raises, and that becomes the state Exception."""
        args: FileArgs = event.args
        text = await trio.Path(args.path).read_text()
        event.add(FileStates.FileProcessed, path=args.path, words=len(text.split()))

    def FileProcessedState(self, event: am.Event) -> None:
        """Keep the outcome."""
        args: CountArgs = event.args
        self.counted[args.path.name] = args.words
        print(f"  {args.path.name} has {args.words} words")

    def ExceptionState(self, event: am.Event) -> None:
        """The error comes as an argument, together with where it came from."""
        error = event.args["err"]
        print(f"  {type(error).__name__} in {event.args['task']}")


async def story(folder: Path) -> None:
    """Count, refuse, fail, recover."""
    poem = folder / "poem.txt"
    poem.write_text("Rough winds do shake the darling buds of May\n")
    handlers = Handlers()
    async with am.Machine(FileStates, handlers=handlers, id="counter") as mach:
        print("a poem:", mach.add(FileStates.ProcessingFile, path=poem), mach)
        await mach.when(FileStates.FileProcessed)
        print("the same again:", mach.add(FileStates.ProcessingFile, path=poem))
        try:
            mach.add(FileStates.ProcessingFile, file=poem)
        except am.ArgsError as exc:
            print("a wrong keyword:", type(exc).__name__)

        failed = mach.when_err()
        print("a missing file:", mach.add(FileStates.ProcessingFile, path=folder / "gone.txt"))
        await failed
        print("after the failure:", mach, "is_err:", mach.is_err)
        mach.remove("Exception", FileStates.ProcessingFile)
        print("counted:", handlers.counted)
        print("in the end:", mach.string_all())


def main() -> None:
    """Run the story in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        trio.run(story, Path(folder))


if __name__ == "__main__":
    main()
