"""Where the API server of a cluster is, and what lets this process in.

That is a kubeconfig, or the service account of the pod that this process runs in. Of a kubeconfig
its plain forms are read: tokens and client certificates. A program that it wants to be run for a
login is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped,unused-ignore]

from ..._tls import load_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MOST = 1024 * 1024  # bytes of a file that is read here
_DEFAULT = "default"
# What the entry of a user may hold without changing who is let in.
_USER = frozenset(
    {
        "token",
        "tokenFile",
        "client-certificate",
        "client-certificate-data",
        "client-key",
        "client-key-data",
        "extensions",
    }
)
_CLUSTER = frozenset(
    {
        "server",
        "certificate-authority",
        "certificate-authority-data",
        "insecure-skip-tls-verify",
        "disable-compression",
        "extensions",
    }
)


@dataclass(frozen=True)
class Access:
    """An API server, the namespace to work in, and what to show there.

    `context` is None for a server without TLS. A token in a file is read anew for each call, since
    a cluster replaces it from time to time. `pod` is the name of the pod that this process runs in,
    if it does.
    """

    server: str
    namespace: str
    context: ssl.SSLContext | None = None
    token: str = field(default="", repr=False)
    token_file: str = ""
    pod: str = ""

    def headers(self) -> dict[str, str]:
        """What shows who this is.

        :raises OSError: if the token cannot be read.
        """
        token = _text(self.token_file).strip() if self.token_file else self.token
        return {"Authorization": f"Bearer {token}"} if token else {}


def find_access(kubeconfig: str | None = None, context: str | None = None) -> Access:
    """Look for it: in `kubeconfig`, in ``KUBECONFIG``, in this pod, in ``~/.kube/config``.

    :raises OSError: if there is none, or a file of it cannot be read.
    :raises ValueError: if a file is no kubeconfig, or says what cannot be done here.
    """
    if kubeconfig is not None:
        return read_kubeconfig([Path(kubeconfig).expanduser()], context)
    if listed := os.environ.get("KUBECONFIG"):
        paths = [Path(path) for path in listed.split(os.pathsep) if path]
        return read_kubeconfig([path for path in paths if path.is_file()] or paths[:1], context)
    if context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _of_this_pod(ACCOUNT)
    usual = Path("~/.kube/config").expanduser()
    if not usual.is_file():
        raise OSError(
            f"there is no cluster to be found: no KUBECONFIG, no {usual}, and this is no pod"
        )
    return read_kubeconfig([usual], context)


def _of_this_pod(account: Path) -> Access:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=_text(account / "namespace").strip(),
        context=_trusting(_text(account / "ca.crt")),
        token_file=str(account / "token"),
        pod=os.environ.get("HOSTNAME", ""),
    )


# -- a kubeconfig


def read_kubeconfig(paths: Sequence[Path], context: str | None = None) -> Access:
    """Read the context `context`, by default the current one; the first file that names it wins.

    :raises OSError: if a file cannot be read.
    :raises ValueError: if it is no kubeconfig, or says what cannot be done here.
    """
    where = ", ".join(map(str, paths))
    try:
        documents = [(path.parent, yaml.safe_load(_text(path)) or {}) for path in paths]
        return _chosen(documents, context)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"{where}: not a kubeconfig: {type(exc).__name__} {exc}") from exc
    except ssl.SSLError as exc:
        raise ValueError(f"{where}: the client certificate and its key: {exc}") from exc
    except ValueError as exc:
        raise ValueError(f"{where}: {exc}") from exc


def _chosen(documents: Sequence[tuple[Path, Mapping[str, Any]]], context: str | None) -> Access:
    current = (document.get("current-context") for _, document in documents)
    name = context or next(filter(None, current), None)
    if name is None:
        raise ValueError("it has no current context: say which")
    chosen, _ = _entry(documents, "context", name)
    cluster, beside = _entry(documents, "cluster", chosen["cluster"])
    _refuse(cluster, _CLUSTER, f"cluster {chosen['cluster']}")
    server = str(cluster["server"]).rstrip("/")
    user: Mapping[str, Any] = {}
    users_place = beside
    if chosen.get("user"):
        user, users_place = _entry(documents, "user", chosen["user"])
        _refuse(user, _USER, f"user {chosen['user']}")
    tls = None
    if server.startswith("https://"):
        tls = _trusting(
            _data(cluster, "certificate-authority", beside),
            skip=bool(cluster.get("insecure-skip-tls-verify")),
        )
        if certificate := _data(user, "client-certificate", users_place):
            key = _data(user, "client-key", users_place) or ""
            load_key(tls, f"{certificate}\n{key}".encode())
    token_file = user.get("tokenFile")
    return Access(
        server=server,
        namespace=str(chosen.get("namespace") or _DEFAULT),
        context=tls,
        token=str(user.get("token") or ""),
        token_file=str(users_place / token_file) if token_file else "",
    )


def _entry(
    documents: Sequence[tuple[Path, Mapping[str, Any]]], kind: str, name: str
) -> tuple[Mapping[str, Any], Path]:
    """The entry of that name, and the folder that paths in it are relative to."""
    for folder, document in documents:
        for item in document.get(f"{kind}s") or ():
            if item["name"] == name:
                return item.get(kind) or {}, folder
    raise ValueError(f"there is no {kind} {name!r}")


def _refuse(entry: Mapping[str, Any], known: frozenset[str], whose: str) -> None:
    if unknown := sorted(set(entry) - known):
        raise ValueError(
            f"{whose} has {', '.join(unknown)}, which is not supported here: use a token "
            "(kubectl create token) or a client certificate, and a plain address"
        )


def _data(entry: Mapping[str, Any], key: str, folder: Path) -> str | None:
    """A certificate or key, in the entry itself or in a file beside the kubeconfig."""
    if inline := entry.get(f"{key}-data"):
        try:
            return base64.b64decode(inline, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError) as exc:
            raise ValueError(f"{key}-data is not base64 of PEM") from exc
    return _text(folder / entry[key]) if entry.get(key) else None


def _trusting(authorities: str | None, *, skip: bool = False) -> ssl.SSLContext:
    if skip:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        context = ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as exc:
        raise ValueError(f"the certificates of the cluster's authority are none: {exc}") from exc
    if authorities:
        # Authorities that clusters make for themselves often lack what the strict check wants.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _text(path: Path | str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read(_MOST)
