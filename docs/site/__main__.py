"""Build the site: `python -m docs.site FOLDER`, as session `site` has it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from docs.site import check, texts
from docs.site.assemble import assemble
from docs.site.sources import ROOT

HERE = Path(__file__).parent


# What a browser loads beside the pages, from packages that the lock of `browser/` names.
SCRIPTS = {
    "mermaid/dist/mermaid.min.js": "mermaid.min.js",
    "iframe-worker/shim/index.js": "iframe-worker.js",  # search without a server
}


def bring_scripts(folder: Path, assets: Path) -> None:
    """Install those packages in a folder, and copy what pages load."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "browser" / name, folder / name)
    command = ("npm", "ci", "--no-audit", "--no-fund", "--silent", "--ignore-scripts")
    subprocess.run(command, cwd=folder, check=True)
    for path, name in SCRIPTS.items():
        shutil.copy(folder / "node_modules" / path, assets / name)


def main() -> int:
    """Assemble, build and check; the exit code is 1 if anything is to be complained of."""
    folder = Path(sys.argv[1]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    config = assemble(folder / "source")
    browser = folder.with_name("site-browser")
    browser.mkdir(exist_ok=True)
    bring_scripts(browser, config.parent / "docs" / "assets")
    command = ("zensical", "build", "--strict", "--clean", "-f", str(config))
    if code := subprocess.run(command, check=False).returncode:
        return code
    site = folder / "source" / "site"
    texts.write(ROOT, site)
    found = check.faults(site)
    print("\n".join(found) or f"built {site}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
