"""Finding a cluster and getting in: kubeconfigs and service accounts, over real TLS."""

from __future__ import annotations

import base64
import json
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from am_node._cli.launching import launcher
from am_node._launchers.kubernetes import access as room
from am_node._launchers.kubernetes.access import Access, find_access, read_kubeconfig
from am_node._launchers.kubernetes.api import Api, ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKES = Path(__file__).parent / "fakes"
AUTHORITY = trustme.CA()
CA = AUTHORITY.cert_pem.bytes()
TOKEN = "a-token"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What this machine may know of clusters is out of sight."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An API server with TLS that lets in by token or certificate."""
    monkeypatch.setattr(sys, "path", [str(FAKES), *sys.path])
    from fake_cluster import Cluster  # type: ignore[import-not-found,unused-ignore]

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    with Cluster(tls=context) as serving:
        yield serving


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


TRUSTING = {"certificate-authority-data": _base64(CA)}


async def _is_let_in(access: Access) -> bool:
    try:
        return await Api(access).list("pods") == []
    except ApiError as exc:
        if exc.code != 401:
            raise
        return False


def _client_certificate() -> tuple[bytes, bytes]:
    made = AUTHORITY.issue_cert("me@example.org")
    return made.cert_chain_pems[0].bytes(), made.private_key_pem.bytes()


@pytest.mark.trio
async def test_a_token_lets_in_and_another_one_does_not(cluster: Any, tmp_path: Path) -> None:
    right = cluster.kubeconfig(tmp_path, cluster=TRUSTING, token=TOKEN)
    assert await _is_let_in(find_access(right))
    wrong = cluster.kubeconfig(tmp_path, cluster=TRUSTING, token="guessed")
    assert not await _is_let_in(find_access(wrong))


@pytest.mark.trio
async def test_a_token_in_a_file_is_read_anew_for_each_call(cluster: Any, tmp_path: Path) -> None:
    path = cluster.kubeconfig(tmp_path, cluster=TRUSTING, tokenFile="token")
    access = find_access(path)
    for text, is_let_in in (("old", False), (f"{TOKEN}\n", True), ("newer", False)):
        (tmp_path / "token").write_text(text)
        assert await _is_let_in(access) is is_let_in


@pytest.mark.trio
@pytest.mark.parametrize("form", ["data", "file"])
async def test_a_client_certificate_lets_in(cluster: Any, tmp_path: Path, form: str) -> None:
    certificate, key = _client_certificate()
    user: dict[str, Any] = {
        "client-certificate-data": _base64(certificate),
        "client-key-data": _base64(key),
    }
    trusted: dict[str, Any] = TRUSTING
    if form == "file":
        for name, data in (("ca.crt", CA), ("me.crt", certificate), ("me.key", key)):
            (tmp_path / name).write_bytes(data)
        user = {"client-certificate": "me.crt", "client-key": "me.key"}
        trusted = {"certificate-authority": "ca.crt"}
    path = cluster.kubeconfig(tmp_path, cluster=trusted, **user)
    assert await _is_let_in(find_access(path))


@pytest.mark.trio
async def test_a_server_of_another_authority_is_not_spoken_to(cluster: Any, tmp_path: Path) -> None:
    other = {"certificate-authority-data": _base64(trustme.CA().cert_pem.bytes())}
    path = cluster.kubeconfig(tmp_path, cluster=other, token=TOKEN)
    with pytest.raises(OSError, match="not reached"):
        await _is_let_in(find_access(path))
    assert cluster.asked == set()
    skipped = cluster.kubeconfig(tmp_path, cluster={"insecure-skip-tls-verify": True}, token=TOKEN)
    assert await _is_let_in(find_access(skipped))


@pytest.mark.trio
async def test_a_pod_uses_its_service_account(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("token", TOKEN), ("ca.crt", CA.decode()), ("namespace", "pools")):
        (tmp_path / name).write_text(text)
    host, port = cluster.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setenv("HOSTNAME", "supervisor-0")
    monkeypatch.setattr(room, "ACCOUNT", tmp_path)
    access = find_access()
    assert (access.namespace, access.pod) == ("pools", "supervisor-0")
    assert await _is_let_in(access)


# -- which file, and which entry


def _write(path: Path, name: str, **more: Any) -> Path:
    """A kubeconfig with one of everything, all of the same name."""
    document: dict[str, Any] = {
        "clusters": [{"name": name, "cluster": {"server": f"http://{name}"}}],
        "users": [{"name": name, "user": {"token": name}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.write_text(json.dumps({**document, **more}))
    return path


def test_the_first_file_wins_and_the_others_add_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = _write(tmp_path / "1", "one"), _write(tmp_path / "2", "two")
    monkeypatch.setenv("KUBECONFIG", f"{one}:{tmp_path}/nothing:{two}")
    assert find_access().server == "http://one"
    other = find_access(context="two")
    assert (other.server, other.token, other.namespace) == ("http://two", "two", "default")


def test_without_anything_said_it_is_the_user_s_usual_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no cluster to be found"):
        find_access()
    (tmp_path / ".kube").mkdir()
    _write(tmp_path / ".kube" / "config", "usual")
    assert find_access().server == "http://usual"


def test_no_token_shows_in_the_text_of_it(tmp_path: Path) -> None:
    access = read_kubeconfig([_write(tmp_path / "1", "hush")])
    assert access.headers() == {"Authorization": "Bearer hush"}
    assert "token='hush'" not in repr(access)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"users": [{"name": "x", "user": {"exec": {"command": "aws"}}}]}, "user x has exec"),
        ({"users": [{"name": "x", "user": {"username": "a", "password": "b"}}]}, "password"),
        ({"clusters": [{"name": "x", "cluster": {"server": "", "proxy-url": ""}}]}, "proxy-url"),
        ({"current-context": ""}, "no current context"),
        ({"current-context": "y"}, "no context 'y'"),
        ({"clusters": []}, "no cluster 'x'"),
        ({"contexts": "x"}, "not a kubeconfig"),
        ({"clusters": [{"name": "x", "cluster": {}}]}, "not a kubeconfig"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    tmp_path: Path, more: dict[str, Any], told: str
) -> None:
    path = _write(tmp_path / "config", "x", **more)
    with pytest.raises(ValueError, match=told):
        read_kubeconfig([path])


@pytest.mark.parametrize("text", ["", "- a", "a: [", "{", "just text"])
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(ValueError, match=r"config: "):
        read_kubeconfig([tmp_path / "config"])


@pytest.mark.parametrize(
    "user",
    [
        {"client-certificate-data": "?", "client-key-data": "?"},
        {"client-certificate-data": _base64(b"no PEM"), "client-key-data": _base64(b"no PEM")},
    ],
)
def test_a_certificate_that_is_none_is_refused(tmp_path: Path, user: dict[str, Any]) -> None:
    cluster = {"name": "x", "cluster": {"server": "https://x", **TRUSTING}}
    users = [{"name": "x", "user": user}]
    path = _write(tmp_path / "config", "x", clusters=[cluster], users=users)
    with pytest.raises(ValueError, match="client"):
        read_kubeconfig([path])


# -- the command line


def test_a_command_line_makes_the_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(_write(tmp_path / "1", "one")))
    words = ["image=a/b:1", "cpus=0.5", "namespace=17", 'node_selector={"disk": "fast"}']
    made: Any = launcher("kubernetes", [*words, "image_pull_secrets=one,two"])
    assert made.template.image == "a/b:1"
    assert made.template.spec["nodeSelector"] == {"disk": "fast"}
    assert made.template.spec["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
