"""One certificate protects every link of a pool, and whoever connects checks it."""

import contextlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

import am_node
import am_rpc
from am_node._tls import pinned_context, server_context, tls_dialer

pytestmark = pytest.mark.trio


class Squarer(am_node.Worker):
    async def work(self, x: int) -> int:
        return x * x


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def issued(authority: trustme.CA, tmp_path: Path) -> Callable[..., Path]:
    """Makes a PEM file with certificate, chain and key."""

    def issue(*names: str) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.pem"
        authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    return issue


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_client_and_workers_speak_tls(
    pooled: Any, issued: Callable[..., Path], trusting: ssl.SSLContext
) -> None:
    async with (
        pooled(Squarer, tls=am_node.Tls(issued("127.0.0.1"))) as sup,
        am_node.Client("c", Squarer, supers=[sup.addr], ssl_context=trusting) as client,
    ):
        assert await client.work(x=12) == 144
        (slot,) = sup._shared
        with pytest.raises(am_rpc.RpcError):
            async with am_rpc.connect(slot.public_addr, timeout=2):
                raise AssertionError("a worker took a client without TLS")


async def test_a_client_that_does_not_trust_the_authority_gets_nothing(
    pooled: Any, issued: Callable[..., Path], clock: trio.abc.Clock
) -> None:
    stranger = ssl.create_default_context()
    trustme.CA().configure_trust(stranger)
    async with (
        pooled(Squarer, tls=am_node.Tls(issued("127.0.0.1"))) as sup,
        am_node.Client("c", Squarer, supers=[sup.addr], ssl_context=stranger) as client,
    ):
        with pytest.raises(am_node.SupervisorLost):
            await client.work(x=1, timeout=3)


async def test_a_context_for_clients_alone_leaves_workers_plain(
    pooled: Any, issued: Callable[..., Path], trusting: ssl.SSLContext
) -> None:
    context = server_context(issued("127.0.0.1").read_bytes())
    async with (
        pooled(Squarer, ssl_context=context) as sup,
        am_node.Client("c", Squarer, supers=[sup.addr], ssl_context=trusting) as client,
    ):
        assert await client.work(x=3) == 9


# -- who is accepted


async def _handshake(
    server: ssl.SSLContext, connect: Callable[[trio.SocketStream], Awaitable[trio.abc.Stream]]
) -> None:
    """Raises what the connecting side meets."""

    async def serve(stream: trio.SocketStream) -> None:
        # Refused by the other side, which is what the caller gets to see.
        with contextlib.suppress(trio.BrokenResourceError):
            await (await am_rpc.start_tls(stream, server, server_side=True)).receive_some(1)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        stream: trio.abc.Stream | None = None
        failure: BaseException | None = None
        port = listeners[0].socket.getsockname()[1]
        try:
            stream = await connect(port)
        except trio.BrokenResourceError as exc:
            failure = exc
        if stream is not None:
            await stream.aclose()
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _pinned(pem: bytes) -> Callable[..., Awaitable[trio.abc.Stream]]:
    async def connect(port: int) -> trio.abc.Stream:
        return await am_rpc.start_tls(
            await trio.open_tcp_stream("127.0.0.1", port), pinned_context(pem)
        )

    return connect


async def test_a_worker_accepts_its_own_certificate_whatever_the_name(
    issued: Callable[..., Path],
) -> None:
    pem = issued("pool.example").read_bytes()
    await _handshake(server_context(pem), _pinned(pem))


async def test_a_worker_refuses_another_certificate_of_the_same_authority(
    issued: Callable[..., Path], authority: trustme.CA
) -> None:
    # Even if the file has the authority in its chain, as many do.
    mine = issued("pool.example").read_bytes() + authority.cert_pem.bytes()
    other = issued("pool.example").read_bytes()
    with pytest.raises(trio.BrokenResourceError) as caught:
        await _handshake(server_context(other), _pinned(mine))
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


@pytest.mark.parametrize(("name", "fits"), [("super.example", True), ("other.example", False)])
async def test_a_client_checks_a_worker_for_the_name_of_its_supervisor(
    issued: Callable[..., Path], trusting: ssl.SSLContext, name: str, fits: bool
) -> None:
    async def connect(port: int) -> trio.abc.Stream:
        return await tls_dialer(f"127.0.0.1:{port}", trusting, name)()

    server = server_context(issued("super.example").read_bytes())
    if fits:
        await _handshake(server, connect)
    else:
        with pytest.raises(trio.BrokenResourceError):
            await _handshake(server, connect)


# -- files


async def test_certificate_and_key_may_be_two_files(authority: trustme.CA, tmp_path: Path) -> None:
    cert = authority.issue_cert("127.0.0.1")
    (tmp_path / "cert").write_bytes(cert.cert_chain_pems[0].bytes())
    (tmp_path / "key").write_bytes(cert.private_key_pem.bytes())
    assert am_node.Tls(tmp_path / "cert", tmp_path / "key").server
    with pytest.raises(ValueError, match="no certificate with its key"):
        am_node.Tls(tmp_path / "cert")


async def test_what_is_no_certificate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pem"
    with pytest.raises(OSError, match=r"x\.pem"):
        am_node.Tls(path)
    path.write_text("nonsense")
    with pytest.raises(ValueError, match="no certificate with its key"):
        am_node.Tls(path)
    path.write_bytes(b"x" * 50_000)
    with pytest.raises(ValueError, match="over 48 KiB"):
        am_node.Tls(path)
    with pytest.raises(ValueError, match="no certificate"):
        pinned_context(b"nonsense")


async def test_an_encrypted_key_is_refused_without_asking_for_a_password(
    authority: trustme.CA, tmp_path: Path
) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    cert = authority.issue_cert("127.0.0.1")
    key = serialization.load_pem_private_key(cert.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    path = tmp_path / "locked.pem"
    path.write_bytes(locked + cert.cert_chain_pems[0].bytes())
    with pytest.raises(ValueError, match="encrypted"):
        am_node.Tls(path)


async def test_the_authorities_of_peers_are_read_when_there_are_peers(
    issued: Callable[..., Path], authority: trustme.CA, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("nonsense")
    tls = am_node.Tls(issued("127.0.0.1"), ca=ca)
    with pytest.raises(ValueError, match="no certificates"):
        am_node.Supervisor(Squarer, tls=tls, peers=["127.0.0.1:7001"])
    authority.cert_pem.write_to_path(str(ca))
    assert tls.peer_context().cert_store_stats()["x509_ca"] == 1


async def test_a_worker_with_a_broken_certificate_says_so(issued: Callable[..., Path]) -> None:
    launcher = am_node.MemoryLauncher(Squarer)
    tls = am_node.Tls(issued("127.0.0.1"))
    tls.pem = b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----"
    pool = am_node.Pool(1, 1, 0)
    async with am_node.Supervisor(Squarer, launcher=launcher, pool=pool, tls=tls) as sup:
        await sup.mach.when("ErrWorker")
        assert "the certificate cannot be used" in str(sup.mach.err)


async def test_peers_find_each_other_over_tls(
    pooled: Any,
    issued: Callable[..., Path],
    authority: trustme.CA,
    trusting: ssl.SSLContext,
    tmp_path: Path,
) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    tls = am_node.Tls(issued("127.0.0.1"), ca=ca)
    with trio.fail_after(20):
        async with (
            pooled(Squarer, tls=tls) as one,
            pooled(Squarer, tls=tls, peers=[one.addr]) as two,
            am_node.Client("c", Squarer, supers=[two.addr], ssl_context=trusting) as client,
        ):
            assert await client.work(x=2) == 4
            moved = client.mach.when_next_active("SuperReady")
            two.mach.add("Draining")
            await moved
            assert client.supervisor == one.addr
            assert await client.work(x=3) == 9


# -- exposure


@pytest.mark.parametrize(
    "options",
    [
        {"addr": "0.0.0.0:7000"},
        {"worker_host": "10.0.0.1"},
        {"link_addr": "10.0.0.1:7001"},
        {"addr": "[::]:7000"},
    ],
)
async def test_endpoints_for_other_hosts_need_protection(
    options: dict[str, str], issued: Callable[..., Path]
) -> None:
    with pytest.raises(ValueError, match="reachable from other hosts"):
        am_node.Supervisor(Squarer, **options)
    am_node.Supervisor(Squarer, **options, insecure=True)
    am_node.Supervisor(Squarer, **options, secret=b"a long random text")
    am_node.Supervisor(Squarer, **options, tls=am_node.Tls(issued("10.0.0.1")))


async def test_a_context_for_clients_does_not_protect_workers(issued: Callable[..., Path]) -> None:
    context = server_context(issued("10.0.0.1").read_bytes())
    with pytest.raises(ValueError, match="for workers"):
        am_node.Supervisor(Squarer, addr="10.0.0.1:7000", ssl_context=context)


async def test_workers_cannot_dial_a_wildcard() -> None:
    with pytest.raises(ValueError, match="could dial"):
        am_node.Supervisor(Squarer, link_addr="0.0.0.0:7001", insecure=True)
