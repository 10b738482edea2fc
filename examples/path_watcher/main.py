# /// script
# requires-python = ">=3.11"
# dependencies = ["am-machine"]
#
# [tool.uv.sources]
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""Watch the directories of a PATH for programs: one machine per directory, all of them under one.

Directories are polled, bursts of changes are waited out (debounce), and a listing that is overtaken
by the next change is thrown away, since the state it belongs to was left.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import trio
from trio.testing import MockClock

import am_machine as am

POLL = 0.02  # seconds between two looks at a directory
QUIET = 0.3  # seconds without a change before a directory is listed


class PathStates(am.States):
    """All directories together."""

    Updated = am.State(multi=True)  # a directory has a new listing
    Ready = am.State()  # each directory is listed


class DirStates(am.States):
    """One directory."""

    Watching = am.State()
    Changed = am.State(multi=True, remove=["Listing", "Listed"])
    Listing = am.State(remove=[Changed, "Listed"])
    Listed = am.State(remove=[Listing])


class PathWatcher:
    """The programs by directory, and one submachine for each."""

    def __init__(self, path: str) -> None:
        self.programs: dict[Path, list[str]] = {}
        self.mach = am.Machine(PathStates, handlers=self, id="path")
        folders = [Path(part) for part in path.split(os.pathsep) if part]
        self.dirs = [DirWatcher(folder, self) for folder in folders]

    def UpdatedState(self, event: am.Event) -> None:
        """Take a listing; with the last missing one the whole path is known."""
        folder: Path = event.args["folder"]
        self.programs[folder] = event.args["programs"]
        print(f"  {folder.name}: {' '.join(event.args['programs']) or 'nothing'}")
        if len(self.programs) == len(self.dirs):
            event.add("Ready")


class DirWatcher:
    """Watches one directory."""

    def __init__(self, folder: Path, owner: PathWatcher) -> None:
        self.folder = folder
        self.owner = owner
        self.mach = am.Machine(DirStates, handlers=self, id=folder.name, parent=owner.mach)

    async def WatchingState(self, event: am.Event) -> None:
        """Look again and again, until Watching is left."""
        seen: list[str] | None = None
        while True:
            names = sorted(os.listdir(self.folder)) if self.folder.is_dir() else []
            if names != seen:
                seen = names
                event.add("Changed")
            await trio.sleep(POLL)

    async def ChangedState(self, event: am.Event) -> None:
        """Debounce: the context ends with the next Changed, and this waiting with it."""
        with event.machine.state_ctx("Changed"):
            await trio.sleep(QUIET)
            event.add("Listing")

    async def ListingState(self, event: am.Event) -> None:
        """Look at each file. If something changes meanwhile, this task is cancelled."""
        programs: list[str] = []
        for path in sorted(self.folder.glob("*")):
            await trio.lowlevel.checkpoint()  # a large directory must not hold up the others
            if path.is_file() and os.access(path, os.X_OK):
                programs.append(path.name)
        event.add("Listed", programs=programs)

    def ListedState(self, event: am.Event) -> None:
        """Pass the listing on."""
        self.owner.mach.add("Updated", folder=self.folder, programs=event.args["programs"])


async def story(root: Path) -> PathWatcher:
    """Make programs in two directories while they are watched."""
    a, b = root / "a", root / "b"
    for folder in (a, b):
        folder.mkdir()
    (a / "run").touch(mode=0o755)
    watcher = PathWatcher(os.pathsep.join(map(str, (a, b))))
    async with watcher.mach as mach, watcher.dirs[0].mach as in_a, watcher.dirs[1].mach as in_b:
        listed = in_a.when("Listed")
        in_a.add("Watching")
        await listed
        in_b.add("Watching")
        await mach.when("Ready")

        print("three programs and a text, one after another:")
        listings, updated = in_b.tick("Listing"), mach.when_next_active("Updated")
        for number, name in enumerate(("one", "two", "three", "readme.txt")):
            changed = in_b.when_next_active("Changed")
            (b / name).touch(mode=0o644 if name == "readme.txt" else 0o755)
            await changed
            print(f"  change {number + 1}, listed: {'Listed' in in_b}")
        await updated
        print("listings made:", (in_b.tick("Listing") - listings) // 2)

        print("one is taken away:")
        updated = mach.when_next_active("Updated")
        (a / "run").unlink()
        await updated
    print("in the end:", mach.string_all())
    return watcher


def main() -> None:
    """Run the story in a folder of its own. Its seconds pass at once, and in order however busy
    the host is."""
    with tempfile.TemporaryDirectory() as folder:
        trio.run(story, Path(folder), clock=MockClock(autojump_threshold=0))


if __name__ == "__main__":
    main()
