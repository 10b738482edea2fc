"""TLS on every link of a pool, with one certificate that supervisor and workers both show.

Workers get certificate and key with their boot configuration, so nothing has to be installed on
their hosts. Whoever connects checks it in the way that fits:

* a client checks supervisors *and* their workers against the name by which it knows the
  supervisor: a worker's own address may be anything;
* a worker that dials its supervisor accepts that one certificate and no other (it holds it), so it
  needs no authorities and no name.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

import am_rpc

from ._address import host_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path
    from typing import NoReturn

    Dialer = Callable[[], Awaitable[trio.abc.Stream]]

# They travel within a boot configuration, which has at most 64 KiB.
MAX_PEM = 48 * 1024
_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL | re.ASCII
)


class Tls:
    """The certificate of a pool, from PEM files, for all links of supervisor and workers.

    `cert` holds the certificate with its chain and, unless `key` names another file, its key. `ca`
    holds the authorities that other supervisors are checked against (default: the system's).
    Workers are handed the key: use a certificate that is for the pool alone.

    :raises OSError: if a file cannot be read.
    :raises ValueError: if they are no certificate with its key, unencrypted, of at most 48 KiB.
    """

    def __init__(
        self, cert: str | Path, key: str | Path | None = None, *, ca: str | Path | None = None
    ) -> None:
        self.pem = b"\n".join(_read(path) for path in (cert, key) if path is not None)
        if len(self.pem) > MAX_PEM:
            raise ValueError(f"{cert}: certificate and key have over 48 KiB")
        self._ca = ca
        try:
            self.server = server_context(self.pem)
        except ssl.SSLError as exc:
            raise ValueError(f"{cert} is no certificate with its key: {exc}") from exc

    def peer_context(self) -> ssl.SSLContext:
        """A context to connect to other supervisors with.

        :raises OSError: if the file of authorities cannot be read.
        :raises ValueError: if there are none in it.
        """
        try:
            return ssl.create_default_context(cafile=None if self._ca is None else str(self._ca))
        except ssl.SSLError as exc:
            raise ValueError(f"{self._ca} holds no certificates: {exc}") from exc


def _read(path: str | Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_PEM + 1)


def server_context(pem: bytes) -> ssl.SSLContext:
    """A context for the serving side, from certificate, chain and key in PEM.

    :raises ssl.SSLError: if they are not that.
    :raises ValueError: if the key is encrypted.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    load_key(context, pem)
    return context


def load_key(context: ssl.SSLContext, pem: bytes) -> None:
    """Have `context` show the certificate, chain and key in `pem`.

    :raises ssl.SSLError: if they are not that.
    :raises ValueError: if the key is encrypted.
    """
    with _as_file(pem) as path:
        context.load_cert_chain(path, password=_refuse_password)


def pinned_context(pem: bytes) -> ssl.SSLContext:
    """A context for the connecting side that accepts only the first certificate of `pem`.

    :raises ValueError: if there is none.
    """
    found = _CERTIFICATE.search(pem)
    if found is None:
        raise ValueError("there is no certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The name does not matter: nobody else has the key of this very certificate. The chain must
    # not be trusted along with it, for an authority signs for others, too.
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=found[0].decode("ascii") + "\n")
    return context


def _refuse_password() -> NoReturn:
    # Without this, OpenSSL would ask for one at the terminal.
    raise ValueError("the key is encrypted: nobody is there to be asked for its password")


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    # The library reads keys from files only. In memory where the system can, else readable by this
    # user alone, for this moment.
    if sys.platform == "linux":
        fd = os.memfd_create("am-node-key")
        try:
            os.write(fd, data)
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)
        return
    import tempfile  # slow to import, and seldom needed

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield file.name


def tls_dialer(addr: str, context: ssl.SSLContext, name: str) -> Dialer:
    """What connects to `addr` and checks that it is `name`, whatever its address says.

    :raises ValueError: if that is no address.
    """
    path = addr.removeprefix("unix:")
    host, port = ("", 0) if path != addr else host_port(addr)

    async def dial() -> trio.abc.Stream:
        transport: trio.abc.Stream
        if host:
            transport = await trio.open_tcp_stream(host, port)
        else:
            transport = await trio.open_unix_socket(path)
        return await am_rpc.start_tls(transport, context, server_hostname=name)

    return dial
