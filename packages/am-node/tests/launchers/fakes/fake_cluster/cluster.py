"""The API server: paths and verbs, who may use them, and answers that go on."""

from __future__ import annotations

import copy
import json
import re
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .node import Node, now
from .store import Store, Thing

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

TOKEN = "a-token"
NAMESPACE = "pools"
_PATH = re.compile(r"/api/v1/namespaces/([^/]+)/([a-z]+)(?:/([^/]+))?(?:/(log))?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_KINDS = {"pods": "Pod", "secrets": "Secret", "events": "Event"}
_WAIT = 0.1


class Refusal(Exception):
    """An answer that is a refusal."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class Cluster:
    """A cluster of one node, which serves while it is entered.

    `rules` are pairs of verb and resource that the token may use (default: all), `asked` those that
    were used. `refuse_next` makes the next calls of a method fail with these codes.
    """

    def __init__(
        self, rules: Collection[tuple[str, str]] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.store = Store()
        self.node = Node(self.store)
        self.asked: set[tuple[str, str]] = set()
        self.refuse_next: dict[str, list[int]] = {}
        self.rules = rules
        self.cuts = 0  # how often all streams were cut off
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        self.is_closing = False

    def __enter__(self) -> Cluster:
        serve = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        serve.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.is_closing = True
        self.node.close()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def kubeconfig(self, folder: Path, **user: Any) -> str:
        """Write a kubeconfig; `user` are entries of it (default: the token)."""
        cluster = {"server": self.url}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [
                {
                    "name": "here",
                    "context": {"cluster": "fake", "user": "me", "namespace": NAMESPACE},
                }
            ],
            "clusters": [{"name": "fake", "cluster": {**cluster, **user.pop("cluster", {})}}],
            "users": [{"name": "me", "user": user or {"token": TOKEN}}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(document))  # which is YAML, too
        return str(path)

    def cut_streams(self) -> None:
        """End all watches and logs, as a server does that restarts."""
        with self.store.changed:
            self.cuts += 1
            self.store.changed.notify_all()

    def left(self) -> list[str]:
        """What is there still."""
        return [
            f"{kind}/{thing['metadata']['name']}"
            for kind in ("pods", "secrets")
            for thing in self.store.all(kind)
        ]

    # -- calls

    def check(self, verb: str, resource: str, method: str) -> None:
        """Refuse what the token may not do, and what the test wants refused."""
        self.asked.add((verb, resource))
        if self.refuse_next.get(method):
            code = self.refuse_next[method].pop(0)
            raise Refusal(code, "Later", "the server is busy")
        if self.rules is not None and (verb, resource) not in self.rules:
            raise Refusal(403, "Forbidden", f"cannot {verb} resource {resource!r}")

    def create(self, kind: str, thing: Thing) -> Thing:
        """Create it."""
        name = thing["metadata"]["name"]
        if thing["kind"] != _KINDS[kind]:
            raise Refusal(400, "BadRequest", f"this is no {_KINDS[kind]}")
        if not _NAME.fullmatch(name):
            raise Refusal(422, "Invalid", f"{kind} {name!r} is invalid: metadata.name")
        with self.store.changed:
            if self.store.get(kind, name):
                raise Refusal(409, "AlreadyExists", f"{kind} {name!r} already exists")
            if kind == "pods":
                thing["status"] = {}
            made = self.store.add(kind, thing)
            if kind == "pods":
                self.node.take(made)
            return made

    def get(self, kind: str, name: str) -> Thing:
        """It."""
        found = self.store.get(kind, name)
        if found is None:
            raise Refusal(404, "NotFound", f"{kind} {name!r} not found")
        return found

    def delete(self, kind: str, name: str, grace: int | None) -> Thing:
        """Delete it: a pod that runs has a time of grace, which only gets shorter."""
        with self.store.changed:
            thing = self.get(kind, name)
            phase = thing.get("status", {}).get("phase")
            if kind != "pods" or grace == 0 or phase in ("Succeeded", "Failed"):
                # The thread of the pod, if there is one, sees it.
                thing["metadata"]["deletionTimestamp"] = now()
                self.store.remove(kind, thing)
                return thing
            if grace is None:
                grace = thing["spec"]["terminationGracePeriodSeconds"]
            until = time.monotonic() + grace
            thing["killAt"] = min(thing.get("killAt", until), until)
            thing["metadata"]["deletionTimestamp"] = now()
            self.store.touch(kind, thing)
            return thing

    def patch(self, kind: str, name: str, changes: Thing) -> Thing:
        """Merge metadata, which is all that launchers change."""
        thing = self.get(kind, name)
        assert set(changes) == {"metadata"}
        thing["metadata"].update(changes["metadata"])
        self.store.touch(kind, thing)
        return thing


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        """Calls of this cluster."""

    Handler.cluster = cluster
    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_DELETE = do_PATCH = do_GET

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        try:
            self._carry_out(body)
        except Refusal as exc:
            status = {"kind": "Status", "code": exc.code, "reason": exc.reason}
            self._json({**status, "message": str(exc)}, exc.code)
        except ConnectionError:
            self.close_connection = True

    def _carry_out(self, body: Thing) -> None:
        cluster, parts = self.cluster, urlsplit(self.path)
        match = _PATH.fullmatch(parts.path)
        shown = self.headers.get("Authorization")
        if shown != f"Bearer {TOKEN}" and not self._shows_certificate():
            raise Refusal(401, "Unauthorized", "Unauthorized")
        if match is None or match[1] != NAMESPACE or match[2] not in _KINDS:
            raise Refusal(404, "NotFound", f"no such path: {parts.path}")
        kind, name = match[2], match[3]
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        reading = "get" if name else "watch" if query.get("watch") else "list"
        verb = {"GET": reading, "POST": "create", "DELETE": "delete", "PATCH": "patch"}[
            self.command
        ]
        cluster.check(verb, f"{kind}/log" if match[4] else kind, self.command)
        if match[4]:
            self._log(name, query)
        elif verb == "watch":
            self._watch(kind, query)
        elif verb == "list":
            self._json({"items": [x for x in cluster.store.all(kind) if _chosen(x, query)]})
        elif verb == "create":
            self._json(cluster.create(kind, body), 201)
        elif verb == "delete":
            self._json(cluster.delete(kind, name, body.get("gracePeriodSeconds")))
        elif verb == "patch":
            self._json(cluster.patch(kind, name, body))
        else:
            self._json(cluster.get(kind, name))

    def _shows_certificate(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket) and bool(self.connection.getpeercert())

    def _json(self, answer: Thing, code: int = 200) -> None:
        with self.cluster.store.changed:
            data = json.dumps(copy.deepcopy(answer)).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    # -- answers that go on

    def _begin(self) -> int:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        return self.cluster.cuts

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _goes_on(self, cuts: int) -> bool:
        """Wait for news; False if the stream was cut off, which its reader sees as that."""
        cluster = self.cluster
        if cluster.is_closing or cluster.cuts != cuts:
            self.close_connection = True
            return False
        with cluster.store.changed:
            cluster.store.changed.wait(_WAIT)
        return True

    def _watch(self, kind: str, query: dict[str, str]) -> None:
        name = query["fieldSelector"].removeprefix("metadata.name=")
        seen, cuts = int(query["resourceVersion"]), self._begin()
        until = time.monotonic() + float(query["timeoutSeconds"])
        while time.monotonic() < until:
            for version, how, thing in self.cluster.store.changes(kind, name, seen):
                seen = version
                self._chunk(json.dumps({"type": how, "object": thing}).encode() + b"\n")
            if not self._goes_on(cuts):
                return
        self._chunk(b"")

    def _log(self, name: str, query: dict[str, str]) -> None:
        pod = self.cluster.get("pods", name)
        log = self.cluster.node.logs.get(name)
        if log is None or pod["status"]["phase"] == "Pending":
            raise Refusal(400, "BadRequest", f'container "worker" in pod "{name}" is waiting')
        assert query["follow"] == query["timestamps"] == "true"
        since = query.get("sinceTime", "")[:19]  # whole seconds are what real ones look at
        sent, cuts = 0, self._begin()
        while True:
            is_over, lines = log.is_over, log.lines[sent:]
            sent += len(lines)
            for line in lines:
                if line[:19].decode() >= since:
                    self._chunk(line)
            if is_over:
                break
            if not self._goes_on(cuts):
                return
        self._chunk(b"")


def _chosen(thing: Thing, query: dict[str, str]) -> bool:
    """Whether the selectors of a list choose a thing."""
    labels = thing["metadata"].get("labels", {})
    about = thing.get("involvedObject", {})
    for pair in filter(None, query.get("labelSelector", "").split(",")):
        key, _, value = pair.partition("=")
        if labels.get(key) != value:
            return False
    for pair in filter(None, query.get("fieldSelector", "").split(",")):
        key, _, value = pair.partition("=")
        if about.get(key.removeprefix("involvedObject.")) != value:
            return False
    return True
