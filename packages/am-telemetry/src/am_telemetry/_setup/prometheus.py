"""A meter provider of the SDK that Prometheus scrapes, or that is pushed to a gateway."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import threading
from pathlib import Path
from time import monotonic
from typing import Any, Self
from weakref import WeakSet

from opentelemetry import metrics as otel_metrics

from .._errors import AddressError
from .._hub import Hub
from .extras import load
from .otlp import cardinality_limits
from .push import Pusher, grouping_key
from .scrape import BACKLOG, ScrapeServer

WHAT = "setup_prometheus"
FREE = "1"
"""The address that stands for the first free port."""
HOST = "127.0.0.1"
PORTS = range(9464, 9564)
SYNC = 0.5
"""Seconds that a scrape waits for the hub to count what happened until then."""
FORK = 1.0
"""Seconds that a fork waits for a collection to end."""
SERVICE_NAME = "service.name"


class PrometheusEndpoint:
    """What Prometheus gets from this process: a place to scrape, a file that tells where, pushes.

    It ends with the program, or with `close`.
    """

    def __init__(
        self,
        provider: Any,
        registry: Any,
        *,
        listener: socket.socket | None,
        is_free: bool,
        folder: Path | None,
        gateway: str | None,
        service: str,
    ) -> None:
        self.provider = provider
        self._registry = registry
        self._is_free = is_free
        self._folder = folder
        self._gateway = gateway
        self._service = service
        self._is_closed = False
        # A process that forks waits for it: nobody would give back the locks of a collection.
        self._collecting = threading.Lock()
        self._file: Path | None = None
        self._server: ScrapeServer | None = None
        self._pusher: Pusher | None = None
        self.address: tuple[str, int] | None = None
        """Host and port that are served; None without an endpoint."""
        self._begin(listener)
        _endpoints.add(self)
        atexit.register(self.close)

    def _begin(self, listener: socket.socket | None) -> None:
        if listener is not None:
            host, port = listener.getsockname()[:2]
            self.address = (host, port)
            self._server = ScrapeServer(listener, self.render)
            if self._folder is not None:
                self._file = announce(self._folder, self.address)
        if self._gateway is not None:
            self._pusher = Pusher(self._push)

    @property
    def url(self) -> str | None:
        """Where Prometheus scrapes; None without an endpoint."""
        if self.address is None:
            return None
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The series as they are now, and the content type, for a value of the header Accept."""
        # Callbacks only read what has been counted, so the hub counts first.
        Hub.of_process().sync(SYNC)
        (exposition,) = load("prometheus", WHAT, "prometheus_client.exposition")
        encode, kind = exposition.choose_encoder(accept)
        with self._collecting:
            return encode(self._registry), kind

    def _push(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        Hub.of_process().sync(min(SYNC, seconds / 4))
        (client,) = load("prometheus", WHAT, "prometheus_client")
        with self._collecting:
            families = list(self._registry.collect())
        client.push_to_gateway(
            self._gateway,
            self._service,
            _Collected(families),
            grouping_key(),
            timeout=max(deadline - monotonic(), 0.01),
        )

    def close(self) -> None:
        """Serve no more, take the file away, and push once more. Again: nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        atexit.unregister(self.close)
        if self._server is not None:
            self._server.close()
        self._withdraw()
        if self._pusher is not None:
            self._pusher.close()

    def _withdraw(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _forked(self) -> None:
        """A child process serves at the next free port, where that was asked for, and pushes."""
        self._collecting = threading.Lock()
        if self._server is not None:
            self._server.forked()
        self._server = self._pusher = None
        # It tells of the parent.
        self._file = self.address = None
        if not self._is_closed:
            listener = None
            if self._is_free:
                with contextlib.suppress(OSError):
                    listener = listen(FREE)
            self._begin(listener)


class _Collected:
    """What was collected, as a registry that pushes."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        return self._families


_endpoints: WeakSet[PrometheusEndpoint] = WeakSet()
# Those whose collections wait until a fork is over.
_held: list[PrometheusEndpoint] = []


def _before_fork() -> None:
    for endpoint in list(_endpoints):
        if endpoint._collecting.acquire(timeout=FORK):
            _held.append(endpoint)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop()._collecting.release()


def _after_fork_in_child() -> None:
    _held.clear()
    for endpoint in list(_endpoints):
        endpoint._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


def setup_prometheus(
    address: str | None = FREE,
    *,
    service: str | None = None,
    sd_dir: str | os.PathLike[str] | None = None,
    push_url: str | None = None,
    set_global: bool = False,
) -> PrometheusEndpoint:
    """Build a meter provider that Prometheus scrapes at `address`, `host:port`, by default the
    first free port of 127.0.0.1:9464-9563; None serves nothing.

    `service` becomes the label `service_name` of all series. `sd_dir` is a folder that gets
    `<process id>.json` for Prometheus's `file_sd_configs` while the endpoint lives. `push_url`
    is a Pushgateway, pushed to each 15 seconds and at the end. Machines are bound by
    `Metrics(endpoint.provider)`, or by `Metrics()` with `set_global`.

    :raises MissingExtraError: if the extra `[prometheus]` is not installed.
    :raises AddressError: if the address is neither `host:port` nor `1`.
    :raises OSError: if the port is taken, or the folder cannot be written.
    """
    client, reader, sdk, resources = load(
        "prometheus",
        WHAT,
        "prometheus_client",
        "opentelemetry.exporter.prometheus",
        "opentelemetry.sdk.metrics",
        "opentelemetry.sdk.resources",
    )
    registry = client.CollectorRegistry()
    attributes = {SERVICE_NAME: service} if service else {}
    provider = _ScrapedProvider.of(sdk)(
        [
            reader.PrometheusMetricReader(
                registry=registry,
                scope_info_enabled=False,
                resource_attribute_filter=lambda key: key == SERVICE_NAME,
                cardinality_limits=cardinality_limits(sdk),
            )
        ],
        resource=resources.Resource.create(attributes),
        shutdown_on_exit=False,
    )
    endpoint = PrometheusEndpoint(
        provider,
        registry,
        listener=listen(address) if address else None,
        is_free=address == FREE,
        folder=Path(sd_dir) if sd_dir else None,
        gateway=push_url or None,
        service=service or "asyncmachine",
    )
    if set_global:
        otel_metrics.set_meter_provider(provider)
    return endpoint


class _ScrapedProvider:
    """The class of providers whose readers only keep what they are flushed with."""

    _made: type | None = None

    @classmethod
    def of(cls, sdk: Any) -> Any:
        """Make it, once the SDK is there."""
        if cls._made is None:
            cls._made = type("ScrapedMeterProvider", (sdk.MeterProvider,), {
                "force_flush": lambda self, timeout_millis=0.0: True,
            })  # fmt: skip
        return cls._made


def listen(address: str) -> socket.socket:
    """Listen at `host:port`, or at the first free port for `1`.

    :raises AddressError: if the address is neither.
    :raises OSError: if the port, or each of them, is taken.
    """
    if address != FREE:
        return _listen(*parsed(address))
    for port in PORTS:
        with contextlib.suppress(OSError):
            return _listen(HOST, port)
    raise OSError(f"no port of {HOST}:{PORTS.start}-{PORTS.stop - 1} is free")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # A port that was served a moment ago may be served again.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def parsed(address: str) -> tuple[str, int]:
    """Read `host:port`.

    :raises AddressError: if it is none.
    """
    host, _, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    is_number = port.isascii() and port.isdigit() and len(port) <= 5
    if not host or not is_number or int(port) > 65_535:
        raise AddressError(f"{address!r:.100} is neither host:port nor 1")
    return host, int(port)


def announce(folder: Path, address: tuple[str, int]) -> Path:
    """Write where this process is scraped, for `file_sd_configs`; the file appears as a whole.

    A process that was killed left its file: it goes with the next one at the same address, which
    would be scraped twice else.

    :raises OSError: if the folder cannot be written.
    """
    host, port = address
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}.json"
    content = json.dumps([{"targets": [target]}]) + "\n"
    for other in folder.glob("*.json"):
        with contextlib.suppress(OSError, ValueError):
            if other.stem.isdigit() and other != path and _begins_with(other, content):
                other.unlink()
    draft = folder / f".{os.getpid()}.{threading.get_ident()}"
    draft.write_text(content)
    draft.replace(path)
    return path


def _begins_with(path: Path, content: str) -> bool:
    with path.open() as file:
        return file.read(len(content)) == content
