"""am-rpc over real sockets: TCP, unix, TLS, websockets; the blocking facade; whole programs."""

from __future__ import annotations

import functools
import os
import ssl
import stat
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trustme

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from pathlib import Path

TRANSPORTS = ["tcp", "tcp6", "unix", "tls", "ws", "wss"]


class DoorStates(am_rpc.StateSource):
    """A door."""

    Open = am.State(remove=["Closed"])
    Closed = am.State(remove=["Open"])
    Knock = am.State(multi=True)
    Answered = am.State(multi=True)


class Doorman:
    """Answers knocks."""

    def KnockState(self, event: am.Event) -> None:
        event.machine.add("Answered", who=event.args.get("who"))


class Mail:
    """Takes payloads."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def ServerPayloadState(self, event: am.Event) -> None:
        self.got.append(event.args["data"])


@functools.cache
def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def transport(kind: str, tmp_path: Path) -> tuple[str, dict[str, Any], dict[str, Any], Any]:
    """Address, options of the mux and of the client, and how the client names the address."""
    server, client = certificates()
    same = str
    match kind:
        case "tcp":
            return "127.0.0.1:0", {}, {}, same
        case "tcp6":
            return "[::1]:0", {}, {}, same
        case "unix":
            return f"unix:{tmp_path / 'sock'}", {}, {}, same
        case "tls":
            return "127.0.0.1:0", {"ssl_context": server}, {"ssl_context": client}, same
        case "ws":
            return "ws://127.0.0.1:0/rpc", {}, {}, same
    return (
        "ws://127.0.0.1:0/rpc",
        {"ssl_context": server},
        {"ssl_context": client},
        lambda addr: addr.replace("ws://", "wss://"),
    )


@pytest.mark.trio
@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_every_transport_carries_calls_pushes_and_payloads(kind: str, tmp_path: Path) -> None:
    addr, serve, dial, name = transport(kind, tmp_path)
    mail = Mail()
    async with (
        am.Machine(DoorStates, handlers=Doorman(), id="door") as door,
        am.Machine(am_rpc.Consumer, handlers=mail) as consumer,
        am_rpc.Mux(door, addr, push_interval=0.01, **serve) as mux,
        am_rpc.connect(name(mux.addr), DoorStates, consumer=consumer, **dial) as net,
    ):
        with trio.fail_after(20):
            assert await net.add("Open") is am.EXECUTED
            assert await net.add("Knock", who="me") is am.EXECUTED
            assert net.is_("Open", "Answered")
            closed = net.when("Closed")
            door.add("Closed")
            assert await closed
            answered = net.when_args("Answered", who="you")
            for number in range(100):
                net.add("Knock", who="you" if number == 50 else number)
            await net.flush()
            assert await answered
            assert net.time() == door.time()
            data = os.urandom(700_000)
            await mux.send_payload("parcel", data)
            assert mail.got == [data]


@pytest.mark.trio
async def test_a_unix_socket_is_private_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    async with am.Machine(DoorStates) as door:
        for _ in range(2):
            async with am_rpc.Mux(door, f"unix:{path}"):
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                with pytest.raises(am_rpc.NetworkError):
                    async with am_rpc.Mux(door, f"unix:{path}"):
                        raise AssertionError("listening twice")
            assert not path.exists()
        left_over = trio.socket.socket(trio.socket.AF_UNIX)
        await left_over.bind(str(path))
        left_over.close()
        assert path.exists()
        async with (
            am_rpc.Server(door, f"unix:{path}") as server,
            am_rpc.connect(server.addr) as net,
        ):
            assert await net.add("Open") is am.EXECUTED


@pytest.mark.trio
async def test_a_taken_port_is_a_network_error() -> None:
    async with am.Machine(DoorStates) as door, am_rpc.Mux(door, "127.0.0.1:0") as mux:
        with pytest.raises(am_rpc.NetworkError):
            async with am_rpc.Server(door, mux.addr):
                raise AssertionError("listening twice")
        with pytest.raises(am_rpc.NetworkError):
            async with am_rpc.Mux(door, mux.addr):
                raise AssertionError("listening twice")


@pytest.mark.trio
async def test_a_certificate_of_a_stranger_is_refused() -> None:
    server, _ = certificates()
    async with (
        am.Machine(DoorStates) as door,
        am_rpc.Mux(door, "127.0.0.1:0", ssl_context=server) as mux,
    ):
        with pytest.raises(am_rpc.NetworkError):
            async with am_rpc.connect(
                mux.addr, ssl_context=ssl.create_default_context(), timeout=0.5
            ):
                raise AssertionError("connected")
        with pytest.raises(am_rpc.NetworkError):
            async with am_rpc.connect(mux.addr, timeout=0.5):
                raise AssertionError("connected")
        assert mux.mach.is_("Ready")


@pytest.mark.trio
@pytest.mark.parametrize("kind", ["tcp", "tls", "ws", "wss"])
async def test_leaving_takes_no_time(kind: str, tmp_path: Path) -> None:
    addr, serve, dial, name = transport(kind, tmp_path)
    async with am.Machine(DoorStates) as door:
        async with am_rpc.Mux(door, addr, **serve) as mux:
            async with am_rpc.connect(name(mux.addr), **dial) as net:
                await net.add("Open")
                left = trio.current_time()
            assert trio.current_time() - left < 1
            async with am_rpc.connect(name(mux.addr), **dial):
                left = trio.current_time()
                await mux.stop()
                assert trio.current_time() - left < 1
        assert trio.current_time() - left < 1


@pytest.mark.trio
@pytest.mark.parametrize("kind", [am_rpc.Server, am_rpc.Mux])
@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upg\xb9rade\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
        b"",
    ],
    ids=["not text", "no upgrade", "TLS", "endless", "nothing"],
)
async def test_a_request_that_is_no_websocket_ends_nothing_but_itself(
    kind: Any, request_: bytes
) -> None:
    async with am.Machine(DoorStates) as door, kind(door, "ws://127.0.0.1:0/") as served:
        port = int(served.addr.rstrip("/").rpartition(":")[2])
        for _ in range(10):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with stream:
                await stream.send_all(request_)
                await stream.send_eof()
                with trio.fail_after(2):
                    try:
                        while await stream.receive_some():
                            pass
                    except trio.BrokenResourceError:
                        pass
        async with am_rpc.connect(served.addr) as net:
            assert await net.add("Open") is am.EXECUTED
        if isinstance(served, am_rpc.Mux):
            with trio.fail_after(2):
                await served.mach.when_not("HasClients")
            assert not served.servers


@pytest.mark.trio
async def test_nobody_there_is_a_network_error_within_the_timeout(tmp_path: Path) -> None:
    start = trio.current_time()
    with pytest.raises(am_rpc.NetworkError, match="no connection"):
        async with am_rpc.connect(f"unix:{tmp_path / 'nobody'}", timeout=0.2):
            raise AssertionError("connected")
    assert trio.current_time() - start < 5


@pytest.mark.trio
async def test_the_first_program_of_the_readme_runs_as_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class FileStates(am.States):
        ProcessingFile = am.State(remove=["FileProcessed"])
        FileProcessed = am.State(remove=["ProcessingFile"])

    class Handlers:
        async def ProcessingFileState(self, event: am.Event) -> None:
            print("processing", event.args["path"])
            event.machine.add("FileProcessed")

    async def serve(mach: am.Machine, started: trio.Event, done: trio.Event) -> None:
        async with am_rpc.Mux(mach, "127.0.0.1:6000") as mux:
            await mux.mach.when("Ready")
            started.set()
            await done.wait()

    async def use() -> None:
        async with am_rpc.connect("127.0.0.1:6000", FileStates) as net:
            net.add("ProcessingFile", path="a.txt")
            await net.when("FileProcessed")

    started, done = trio.Event(), trio.Event()
    mach = am.Machine(FileStates, handlers=Handlers())
    async with mach, trio.open_nursery() as nursery:
        nursery.start_soon(serve, mach, started, done)
        await started.wait()
        with trio.fail_after(5):
            await use()
        done.set()
    assert capsys.readouterr().out == "processing a.txt\n"


@pytest.mark.trio
async def test_threads_without_trio_use_the_blocking_facade(tmp_path: Path) -> None:
    addr = f"unix:{tmp_path / 'sock'}"

    def script() -> None:
        with am_rpc.blocking(addr, DoorStates) as door:
            assert door.add("Open") is am.EXECUTED
            assert "Open" in door
            assert door.active == ("Open",)
            assert door.tick("Open") == 1
            assert str(door) == "(Open:1)"
            wait = door.when("Closed")
            assert not wait.done
            with pytest.raises(am_rpc.NetworkTimeout):
                wait.result(0.01)
            assert door.add("Closed") is am.EXECUTED
            assert wait.result(1) is True
            cancelled = door.when("Open")
            cancelled.cancel()
            assert cancelled.result() is False
            assert door.check_add("Open") is am.EXECUTED
            assert door.sync()[0] >= 0
            with pytest.raises(am.UnknownStateError):
                door.add("Window")
            with pytest.raises(AttributeError):
                _ = door._private
            assert "BlockingMachine" in repr(door)
        with pytest.raises(am_rpc.NotConnected):
            door.add("Open")

    async with am.Machine(DoorStates) as source, am_rpc.Mux(source, addr):
        with trio.fail_after(20):
            await trio.to_thread.run_sync(script)
        assert source.is_("Closed")
    with pytest.raises(am_rpc.NetworkError), am_rpc.blocking(addr, timeout=0.1):
        raise AssertionError("connected")


@pytest.mark.trio
async def test_a_machine_of_another_thread_refuses_calls() -> None:
    async with (
        am.Machine(DoorStates) as door,
        am_rpc.Mux(door, "127.0.0.1:0") as mux,
        am_rpc.connect(mux.addr) as net,
    ):

        def misuse() -> None:
            with pytest.raises(RuntimeError, match="thread"):
                net.add("Open")
            assert trio.from_thread.run_sync(net.add, "Open")

        await trio.to_thread.run_sync(misuse)
        await net.flush()
        assert door.is_("Open")


@pytest.mark.trio
async def test_pipes_follow_servers_and_muxes() -> None:
    class Watch(am.States):
        Listening = am.State()
        Used = am.State()
        Came = am.State(multi=True)
        Went = am.State(multi=True)
        Busy = am.State()

    async with am.Machine(DoorStates) as door, am.Machine(Watch) as watch:
        async with am_rpc.Server(door, "127.0.0.1:0") as server:
            am_rpc.bind_server(server, watch, "Listening", "Used")
            am_rpc.bind_server_multi(server, watch, "Listening", "Came", "Went")
            used = watch.when("Used")
            async with am_rpc.connect(server.addr):
                with trio.fail_after(2):
                    assert await used
            with trio.fail_after(2):
                assert await watch.when("Went")
            assert watch.is_("Came")
            assert watch.not_("Used")
        async with am_rpc.Mux(door, "127.0.0.1:0") as mux:
            am_rpc.bind_mux(mux, watch, "Busy", "Busy")
            async with am_rpc.connect(mux.addr):
                with trio.fail_after(2):
                    assert await watch.when("Busy")
            with trio.fail_after(2):
                assert await watch.when_not("Busy")


@pytest.mark.trio
@pytest.mark.slow
async def test_the_largest_payload_passes_and_one_byte_more_is_refused_here() -> None:
    mail = Mail()
    limits = am_rpc.Limits(payload_timeout=30)
    async with (
        am.Machine(DoorStates) as door,
        am.Machine(am_rpc.Consumer, handlers=mail) as consumer,
        am_rpc.Mux(door, "127.0.0.1:0", limits=limits) as mux,
        am_rpc.connect(mux.addr, consumer=consumer) as net,
    ):
        header = 5
        data = bytes(limits.payload - header)
        await mux.send_payload("largest", data)
        assert mail.got == [data]
        with pytest.raises(am_rpc.LimitExceeded):
            await mux.send_payload("too large", data + b"x")
        assert await net.add("Open") is am.EXECUTED


@pytest.mark.trio
@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_six_mib_up_and_seven_mib_down_pass_each_other(kind: str, tmp_path: Path) -> None:
    addr, serve, dial, name = transport(kind, tmp_path)
    mail = Mail()
    async with (
        am.Machine(DoorStates, handlers=Doorman(), id="door") as door,
        am.Machine(am_rpc.Consumer, handlers=mail) as consumer,
        am_rpc.Mux(door, addr, limits=am_rpc.Limits(payload_timeout=10), **serve) as mux,
        am_rpc.connect(name(mux.addr), DoorStates, consumer=consumer, **dial) as net,
        trio.open_nursery() as nursery,
    ):
        with trio.fail_after(10):
            nursery.start_soon(mux.send_payload, "parcel", bytes(7 * 1024 * 1024))
            knocks = [net.add("Knock", who=bytes(60 * 1024)) for _ in range(100)]
            assert {await knock for knock in knocks} == {am.EXECUTED}
    assert list(map(len, mail.got)) == [7 * 1024 * 1024]
    assert net.client.stats.reconnects <= 1
