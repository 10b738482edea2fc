"""Pick the files that a tag stands for: `python -m release.tagged am-rpc-v0.2.0 dist upload`."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

TAG = re.compile(r"(am-[a-z]+)-v(\d+\.\d+\.\d+)")


def files_of(tag: str, folder: Path) -> list[Path]:
    """The source distribution and the wheel that a tag names.

    :raises ValueError: if that is no tag of a release, or one of the two is not there.
    """
    match = TAG.fullmatch(tag)
    if match is None:
        raise ValueError(f"{tag} is no tag of a release")
    stem = f"{match[1].replace('-', '_')}-{match[2]}"
    files = [folder / f"{stem}.tar.gz", folder / f"{stem}-py3-none-any.whl"]
    if lost := [path.name for path in files if not path.is_file()]:
        raise ValueError(f"not there: {', '.join(lost)}; does the tag fit the version of the tree?")
    return files


def main() -> int:
    """Copy the files of a tag into a folder; the exit code is 1 if they are not there."""
    tag, source, target = sys.argv[1:]
    try:
        files = files_of(tag, Path(source))
    except ValueError as why:
        print(why, file=sys.stderr)
        return 1
    Path(target).mkdir(parents=True, exist_ok=True)
    for path in files:
        print(shutil.copy(path, target))
    return 0


if __name__ == "__main__":
    sys.exit(main())
