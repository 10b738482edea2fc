# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""Download, process, upload: each step can be cancelled, repeated, and resumed after a crash."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import trio

import am_helpers as amh
import am_machine as am

WORK = 0.05  # seconds that each activity takes
BACKOFF = 0.05  # seconds after the first failed upload, twice as long after each next


class FileStates(amh.Basic):
    """Activities and outcomes. An outcome ends its activity, the next one follows by itself."""

    Downloading = am.State(auto=True, require=[amh.Basic.Start])
    Downloaded = am.State(remove=[Downloading])
    Processing = am.State(auto=True, require=[amh.Basic.Start, Downloaded])
    Halfway = am.State(require=[Processing])
    Processed = am.State(remove=[Processing])
    Uploading = am.State(auto=True, require=[amh.Basic.Start, Processed])
    Uploaded = am.State(remove=[Uploading])
    ErrUpload = am.State(multi=True, require=[amh.Basic.Exception], remove=[Uploading])

    class Groups:
        """What runs, and has to run again after a crash."""

        Activities = ("Downloading", "Processing", "Uploading")


class Workflow:
    """The activities. Files live in a folder, statuses in the machine."""

    def __init__(self, folder: Path, refusals: int = 0) -> None:
        self.raw, self.part, self.result = (folder / n for n in ("raw", "part", "result"))
        self.refusals = refusals  # how often the other side is going to refuse
        self.uploads = 0

    async def DownloadingState(self, event: am.Event) -> None:
        """Fetch the file."""
        print("  downloading")
        await trio.sleep(WORK)
        self.raw.write_text("tea and cake")
        event.add("Downloaded")

    async def ProcessingState(self, event: am.Event) -> None:
        """Work on a partial file; it gets its name when it is complete."""
        print("  processing")
        text = self.raw.read_text().upper()
        self.part.write_text(text[: len(text) // 2])
        event.add("Halfway")
        await trio.sleep(WORK)
        self.part.write_text(text)
        self.part.rename(self.result)
        event.add("Processed")

    def ProcessingEnd(self, event: am.Event) -> None:
        """Clean up, for whatever reason Processing was left."""
        if self.part.exists():
            self.part.unlink()
            print("  threw away a partial result")

    async def UploadingState(self, event: am.Event) -> None:
        """Hand the result over, which may be refused."""
        self.uploads += 1
        print(f"  uploading {self.result.read_text()}")
        await trio.sleep(WORK)
        if self.uploads <= self.refusals:
            event.add_err("ErrUpload", ConnectionError("the other side is busy"))
        else:
            event.add("Uploaded")

    async def ErrUploadState(self, event: am.Event) -> None:
        """Wait; when the error is gone, Uploading follows by itself once more."""
        print(f"  upload {self.uploads} failed: {event.args['err']}")
        await trio.sleep(BACKOFF * 2 ** (self.uploads - 1))
        event.remove("ErrUpload", "Exception")

    def ExceptionState(self, event: am.Event) -> None:
        """Errors of uploads are dealt with above; nothing is left to report."""


async def cancel_and_go_on(folder: Path) -> None:
    """Leaving Start ends the running activity; entering it again goes on with what is missing."""
    async with am.Machine(FileStates, handlers=Workflow(folder), id="file") as mach:
        amh.debug_env(mach)
        mach.add("Start")
        await mach.when("Halfway")
        mach.remove("Start")
        print("  cancelled:", mach)
        mach.add("Start")
        await amh.wait_for_all(mach.when("Uploaded"), timeout=3, err=mach)
        print("  in the end:", mach)


async def crash(folder: Path) -> str:
    """Stop in the middle; what was reached is left behind as JSON."""
    saved = ""
    async with am.Machine(FileStates, id="file") as mach:
        amh.debug_env(mach)
        workflow = mach.bind(Workflow(folder))
        mach.add("Start")
        await mach.when("Halfway")
        print("  crashed:", mach)
        workflow.detach()  # who crashes does not clean up
        saved = json.dumps(mach.export().to_dict())
    return saved


async def resume(folder: Path, saved: str) -> am.Machine:
    """Go on in another process, as it were; the other side refuses twice."""
    mach = am.Machine.restore(am.Snapshot.from_dict(json.loads(saved)), FileStates)
    amh.debug_env(mach)
    async with mach:
        print("  restored:", mach)
        mach.bind(Workflow(folder, refusals=2))
        # An activity that was running has no task here: leave it, and it follows once more.
        mach.remove(*FileStates.groups()["Activities"])
        await mach.when("Uploaded")
        print("  in the end:", mach)
    return mach


async def story(root: Path) -> None:
    """Cancel one file; lose another one in a crash and go on with it."""
    for name in ("cancelled", "crashed"):
        (root / name).mkdir()
    print("cancel:")
    await cancel_and_go_on(root / "cancelled")
    print("crash:")
    saved = await crash(root / "crashed")
    print("resume:")
    await resume(root / "crashed", saved)


def main() -> None:
    """Run the story in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        trio.run(story, Path(folder))


if __name__ == "__main__":
    main()
