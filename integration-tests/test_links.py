"""Links to other sites: which there are, and which lead nowhere."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from docs.site import links
from docs.site.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWERS = {"/here": 200, "/guarded": 403, "/gone": 404}


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(ANSWERS[self.path])
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_only_addresses_that_lead_nowhere_are_told(site: str, tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9/"
    (tmp_path / "README.md").write_text(
        f"# Page\n\n[a]({site}/here) [b]({site}/guarded) [c]({site}/gone) [d]({nobody}) [e](x.md)\n"
        f"```text\n[f]({site}/unknown)\n```\n"
    )
    told = sorted(links.faults(tmp_path), key=lambda line: line.startswith(nobody))
    assert len(told) == 2
    assert told[0] == f"{site}/gone: 404 Not Found (README.md)"
    assert told[1].startswith(f"{nobody}: ")


def test_links_of_the_tree_are_found() -> None:
    assert "https://trio.readthedocs.io" in links.outside(ROOT)
