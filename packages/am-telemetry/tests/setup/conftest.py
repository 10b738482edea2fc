"""Fake backends on the loopback, and programs in processes of their own."""

import gzip
import http.server
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..ends import Ended, Run


class Backend:
    """Takes requests of any method, and keeps path and body."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, bytes]] = []
        self.arrived = threading.Condition()
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _take(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                with backend.arrived:
                    backend.got.append((self.command, self.path, body))
                    backend.arrived.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PUT = do_GET = _take

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def paths(self) -> set[str]:
        with self.arrived:
            return {path for _, path, _ in self.got}

    def bodies(self, path: str) -> list[bytes]:
        with self.arrived:
            return [body for _, got, body in self.got if got == path]

    def wait_for(self, path: str, seconds: float = 20.0) -> bytes:
        with self.arrived:
            assert self.arrived.wait_for(
                lambda: any(got == path for _, got, _ in self.got), seconds
            )
        return self.bodies(path)[0]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def backend() -> Iterator[Backend]:
    made = Backend()
    yield made
    made.close()


class Program:
    """Runs code in a process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def env(self, **env: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AM_", "OTEL_"))}
        return {**kept, "no_proxy": "*", "PYTHONUNBUFFERED": "1", **env}

    def start(self, code: str, *flags: str, **env: str) -> "subprocess.Popen[str]":
        path = self._folder / "program.py"
        path.write_text(textwrap.dedent(code))
        return subprocess.Popen(
            [sys.executable, *flags, str(path)],
            cwd=self._folder,
            env=self.env(**env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str, *flags: str, **env: str) -> Ended:
        """Run it to its end, before which it has nothing more to do."""
        program = f"{textwrap.dedent(code)}\nends()\n"
        return Run(program, *flags, env=self.env(**env), folder=self._folder).end()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)
