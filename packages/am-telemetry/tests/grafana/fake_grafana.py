"""A Grafana that keeps folders and dashboards, and misbehaves when told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "glsa_secret"


class FakeGrafana:
    """What was asked of it, and what it keeps; `prefix` is the path that it is served under."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.folders: list[dict[str, str]] = []
        self.boards: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.faults: dict[str, tuple[int, bytes]] = {}
        """Path -> status and body to answer with instead."""
        self.faster: str | None = None
        """A folder that somebody else creates just before we do."""
        self.drip = 0.0
        """Seconds between two bytes of each answer."""
        self.over = threading.Event()
        self.url = ""

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Status and JSON for a request that carries the token."""
        if (method, path) == ("GET", "/api/folders"):
            size, page = int(query["limit"]), int(query.get("page", "1"))
            return 200, self.folders[size * (page - 1) : size * page]
        if (method, path) == ("POST", "/api/folders"):
            if self.faster:
                self.folders.append({"uid": "theirs", "title": self.faster})
                return 412, {"message": "a folder with the same name already exists"}
            folder = {"uid": f"f{len(self.folders)}", "title": body["title"]}
            self.folders.append(folder)
            return 200, folder
        if (method, path) == ("POST", "/api/dashboards/db"):
            uid = body["dashboard"]["uid"]
            if uid in self.boards and not body["overwrite"]:
                return 412, {"message": "exists"}
            if body["folderUid"] not in {folder["uid"] for folder in self.folders}:
                return 400, {"message": "folder not found"}
            self.boards[uid] = body
            return 200, {"uid": uid, "url": f"{self.prefix}/d/{uid}/board", "status": "success"}
        return 404, {"message": "Not found"}


class _Handler(BaseHTTPRequestHandler):
    fake: FakeGrafana

    def _do(self) -> None:
        fake = self.fake
        parts = urlsplit(self.path)
        path = parts.path.removeprefix(fake.prefix)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        fake.asked.append(f"{self.command} {path}")
        fake.headers.append({name.lower(): value for name, value in self.headers.items()})
        if path in fake.faults:
            status, data = fake.faults[path]
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, data = 401, b'{"message":"Unauthorized"}'
        else:
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            status, answer = fake.answer(self.command, path, query, body)
            data = json.dumps(answer).encode()
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{fake.url}/elsewhere")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            if not fake.drip:
                self.wfile.write(data)
                return
            for place in range(len(data)):
                self.wfile.write(data[place : place + 1])
                if fake.over.wait(fake.drip):
                    return
        except OSError:  # the client has left
            self.close_connection = True

    do_GET = do_POST = _do

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def fake_grafana(prefix: str = "") -> Iterator[FakeGrafana]:
    """Serve one on a free port of the loopback."""
    fake = FakeGrafana(prefix)
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield fake
    finally:
        fake.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
