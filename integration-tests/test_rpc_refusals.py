"""What a user is told when a connection cannot be: one line that says where, why, what to do."""

from __future__ import annotations

import functools
import re
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import trio
import trustme

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.trio
HINT = "is it an aRPC server, with TLS and websockets on both sides or on neither?"
SECRET = b"a shared secret"


class States(am.States):
    """What is served."""

    Foo = am.State()


class OtherStates(am.States):
    """What somebody else would serve."""

    Bar = am.State()


@functools.cache
def tls(trusted: str = "ours", name: str = "127.0.0.1", *, mutual: bool = False) -> dict[str, Any]:
    """Contexts of a server, and of a client that trusts ours or a stranger's authority."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(server)
    if mutual:
        server.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(server)
    client = ssl.create_default_context()
    (authority if trusted == "ours" else trustme.CA()).configure_trust(client)
    return {"server": server, "client": client}


@asynccontextmanager
async def served(addr: str = "127.0.0.1:0", **options: Any) -> AsyncIterator[str]:
    async with (
        am.Machine(States, id="source") as source,
        am_rpc.Mux(source, addr, **options) as mux,
    ):
        yield mux.addr


@asynccontextmanager
async def answering(handler: Callable[[Any], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that speaks something else."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await handler(stream)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        yield f"127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def refusal(addr: str, *, patience: float = 0.3, **options: Any) -> am_rpc.RpcError:
    """Return the error of a connection that must not be; it has one line that names the address."""
    options.setdefault("retry", am_rpc.Retry(connect_delay=0.01))
    options.setdefault("id", "me")
    with pytest.raises(am_rpc.RpcError) as caught, trio.fail_after(10):
        async with am_rpc.connect(addr, timeout=patience, **options):
            raise AssertionError("connected")
    text = str(caught.value)
    assert addr in text
    assert "\n" not in text
    assert "()" not in text
    return caught.value


def swapped(addr: str, scheme: str) -> str:
    """The same host and port under another scheme; none for plain TCP."""
    host = addr.rpartition("://")[2].partition("/")[0]
    return f"{scheme}://{host}/" if scheme else host


REFUSED = "the server refused the secret, or it is not meant for the client id rc-me"


@pytest.mark.parametrize(
    ("serve", "dial", "told"),
    [
        ({"secret": SECRET}, {"secret": b"wrong"}, REFUSED),
        ({"secret": {"key": (SECRET, None)}}, {"secret": ("other key", SECRET)}, REFUSED),
        ({"secret": {"key": (SECRET, {"rc-you"})}}, {"secret": ("key", SECRET)}, REFUSED),
        ({"secret": SECRET}, {}, "the server wants a secret"),
        ({}, {"secret": SECRET}, "the server did not ask for the secret"),
        ({"allow_id": "rc-you"}, {}, "the server does not let in the client id rc-me"),
    ],
)
async def test_who_is_not_let_in_is_told_so(
    serve: dict[str, Any], dial: dict[str, Any], told: str
) -> None:
    limits = am_rpc.Limits(refusal_delay=0.01)
    async with served(limits=limits, **serve) as addr:
        error = await refusal(addr, patience=3, **dial)
    assert type(error) is am_rpc.NoAccess
    assert str(error) == f"{addr}: {told}"


@pytest.mark.parametrize(
    ("server", "client", "told"),
    [
        (tls, lambda: tls("a stranger"), "its certificate is refused: .+; trust who signed it"),
        (lambda: tls(name="example.org"), None, "its certificate is refused: .+127.0.0.1.+"),
        (
            lambda: tls(mutual=True),
            None,
            ".* amid the handshake; does it want a client certificate?",
        ),
        (None, tls, "no TLS handshake; does it speak TLS there?"),
        (tls, False, f"connected, but it does not answer; {HINT}"),
    ],
    ids=["stranger", "other name", "no certificate", "TLS to plain", "plain to TLS"],
)
async def test_tls_that_cannot_be_is_told(server: Any, client: Any, told: str) -> None:
    ours = {} if server is None else {"ssl_context": server()["server"]}
    theirs = {}
    if client is not False:
        theirs = {"ssl_context": (client or server)()["client"]}
    async with served(**ours) as addr:
        error = await refusal(addr, **theirs)
    assert type(error) is am_rpc.NetworkTimeout
    start, _, why = str(error).partition("s: ")
    assert start == f"no connection to {addr} within 0.3 "
    assert re.fullmatch(told.replace("?", r"\?"), why), why


async def test_a_websocket_where_there_is_none_is_told() -> None:
    async with served() as addr:
        url = swapped(addr, "ws")
        told = str(await refusal(url))
    assert told.endswith(f"no websocket at {url}: the peer closed the connection")
    async with served(ssl_context=tls()["server"]) as addr:
        url = swapped(addr, "wss")
        told = str(await refusal(url, ssl_context=tls()["client"]))
    assert told.endswith(f"no websocket at {url}: the peer closed the connection")
    async with served("ws://127.0.0.1:0/") as addr:
        error = await refusal(swapped(addr, ""))
        assert str(error).endswith(f"connected, but it does not answer; {HINT}")
        error = await refusal(swapped(addr, "wss"), ssl_context=tls()["client"])
        assert str(error).endswith("no TLS handshake; does it speak TLS there?")


async def test_a_websocket_that_is_refused_by_a_gateway_is_told_and_tried_again() -> None:
    tries = 0

    async def gateway(stream: trio.SocketStream) -> None:
        nonlocal tries
        tries += 1
        await stream.send_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\nbad")

    async with answering(gateway) as addr:
        url = swapped(addr, "ws")
        told = str(await refusal(url, patience=1))
    assert told.endswith(f"no websocket at {url}: the server answered with HTTP status 502")
    assert tries > 2


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "ProtocolError",
            f"is no aRPC (not a message); {HINT}",
        ),
        (
            b"\xc1",
            "ProtocolError",
            f"what answers is no aRPC (undecodable bytes: FormatError); {HINT}",
        ),
        (b"", "NetworkTimeout", f"the peer closed the connection amid the handshake; {HINT}"),
        (
            msgpack.packb([1, 1, [2, "supported: 2, 3"], None]),
            "VersionMismatch",
            "the server speaks another version of the protocol (supported: 2, 3), this client 1",
        ),
    ],
    ids=["http", "bytes", "nothing", "version"],
)
async def test_an_answer_of_another_kind_is_told(answer: bytes, kind: str, told: str) -> None:
    async def say(stream: trio.SocketStream) -> None:
        await stream.send_all(answer)

    async with answering(say) as addr:
        error = await refusal(addr)
    assert type(error).__name__ == kind
    assert str(error).endswith(told)


async def test_a_full_server_says_so() -> None:
    async with served(max_clients=1) as addr, am_rpc.connect(addr):
        assert str(await refusal(addr)).endswith(": too many clients")


async def test_a_source_of_another_kind_says_which_states_it_lacks() -> None:
    async with served() as addr:
        error = await refusal(addr, patience=1, schema=OtherStates)
    assert str(error) == f"{addr}: the source has no states Bar"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def test_addresses_where_nobody_is_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no socket")
    long = tmp_path / ("x" * 120)
    size = len(str(long).encode())
    refused = "connection refused, nobody listens there"
    for addr, told in (
        (f"127.0.0.1:{free_port()}", refused),
        (f"unix:{tmp_path}/nobody", "no such file or directory"),
        (f"unix:{tmp_path}/file", "the file there is no socket"),
        (f"unix:{long}", f"a unix socket's path may have 107 bytes, this one has {size}"),
    ):
        error = await refusal(addr)
        assert type(error) is am_rpc.NetworkTimeout
        assert str(error) == f"no connection to {addr} within 0.3 s: {told}"


async def test_one_who_does_not_answer_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        addr = f"127.0.0.1:{silent.getsockname()[1]}"
        assert str(await refusal(addr)).endswith(f"connected, but it does not answer; {HINT}")
        error = await refusal(f"ws://{addr}/")
        assert str(error).endswith("within 0.3 s: it does not answer")


@pytest.mark.parametrize("kind", [am_rpc.Mux, am_rpc.Server])
async def test_addresses_that_cannot_be_listened_on_are_told(kind: Any, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    (tmp_path / "file").write_text("no socket")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for addr, told in (
            (f"127.0.0.1:{taken.getsockname()[1]}", "the address is in use"),
            ("192.0.2.1:5000", "the address is none of this host"),
            (f"unix:{tmp_path}/nowhere/sock", "no such file or directory"),
            (f"unix:{tmp_path}/file", "the file there is no socket"),
            (
                f"unix:{long}",
                f"a unix socket's path may have 107 bytes, this one has {len(str(long))}",
            ),
            ("wss://127.0.0.1:0/", "listen on ws:// and give ssl_context instead"),
        ):
            with pytest.raises(am_rpc.NetworkError) as caught:
                async with am.Machine(States) as source, kind(source, addr, secret=SECRET):
                    raise AssertionError("listening")
            assert str(caught.value) == f"cannot listen on {addr}: {told}"
