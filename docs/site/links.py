"""Whether links of the pages to other sites still lead somewhere: `nox -s links`.

Asks each site once, so it needs a network, and a failure may be the other side's: it runs weekly
and holds up nothing. Links within the site are checked with it (`docs.site.check`).
"""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from docs.site.assemble import LINK, prose
from docs.site.sources import ROOT, pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 20.0
TRIES = 3
# What a site answers that is there, and lets no program in.
GUARDED = (401, 403, 405, 429)
OUTSIDE = re.compile(r"https?://")


def outside(root: Path) -> dict[str, list[Path]]:
    """Each address of another site that prose links to, and the pages that do."""
    found: dict[str, list[Path]] = {}
    for page in pages(root):
        for is_prose, part in prose((root / page).read_text()):
            for link in LINK.findall(part) if is_prose else ():
                if OUTSIDE.match(link[1]):
                    found.setdefault(link[1], []).append(page)
    return found


def fault(url: str) -> str | None:
    """Why an address leads nowhere; None if it leads somewhere."""
    told = ""
    for _ in range(TRIES):
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "links of docs"})
            with urllib.request.urlopen(request, timeout=SECONDS):
                return None
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in GUARDED:
                return None
            told = f"{error.code} {error.reason}"
        except OSError as error:
            told = str(error)
    return told


def faults(root: Path = ROOT) -> Iterator[str]:
    """A line for each address that leads nowhere."""
    for url, found in sorted(outside(root).items()):
        if (why := fault(url)) is not None:
            yield f"{url}: {why} ({', '.join(map(str, found))})"


def main() -> int:
    """Print what leads nowhere; the exit code is 1 if anything does."""
    found = [*faults()]
    print("\n".join(found) or f"{len(outside(ROOT))} addresses, each leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
