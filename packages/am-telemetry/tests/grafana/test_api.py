"""Dashboards are created or replaced in their folder, within a limit, whatever Grafana does."""

import socket
import threading

import pytest

from am_telemetry._errors import GrafanaError
from am_telemetry._grafana.api import upsert_dashboard
from am_telemetry._grafana.dashboard import grafana_dashboard

from .fake_grafana import TOKEN, FakeGrafana, fake_grafana

BOARD = grafana_dashboard(["a"], "N", "S")
UID = BOARD["uid"]


def test_a_first_dashboard_creates_its_folder(grafana: FakeGrafana) -> None:
    address = upsert_dashboard(grafana.url, TOKEN, BOARD)
    assert address == f"{grafana.url}/d/{UID}/board"
    assert [folder["title"] for folder in grafana.folders] == ["asyncmachine"]
    assert grafana.boards[UID]["dashboard"] == BOARD
    assert grafana.boards[UID]["folderUid"] == grafana.folders[0]["uid"]


def test_a_second_one_replaces_it_in_the_same_folder(grafana: FakeGrafana) -> None:
    upsert_dashboard(grafana.url, TOKEN, BOARD)
    larger = grafana_dashboard(["a", "b"], "N", "S")
    upsert_dashboard(grafana.url, TOKEN, larger)
    assert len(grafana.folders) == 1
    assert {uid: body["dashboard"] for uid, body in grafana.boards.items()} == {UID: larger}
    assert grafana.asked.count("POST /api/folders") == 1


def test_a_folder_is_found_among_thousands(grafana: FakeGrafana) -> None:
    grafana.folders = [{"uid": f"u{n}", "title": f"other {n}"} for n in range(2500)]
    grafana.folders.append({"uid": "mine", "title": "boards"})
    upsert_dashboard(grafana.url, TOKEN, BOARD, folder="boards")
    assert grafana.boards[UID]["folderUid"] == "mine"
    assert "POST /api/folders" not in grafana.asked


def test_a_folder_that_somebody_else_creates_meanwhile_is_taken(grafana: FakeGrafana) -> None:
    grafana.faster = "asyncmachine"
    upsert_dashboard(grafana.url, TOKEN, BOARD)
    assert grafana.boards[UID]["folderUid"] == "theirs"


def test_a_grafana_under_a_path_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with fake_grafana("/monitoring") as fake:
        address = upsert_dashboard(fake.url + "/", TOKEN, BOARD)
    assert address == f"{fake.url}/d/{UID}/board"


def test_a_wrong_token_is_told_and_not_shown(grafana: FakeGrafana) -> None:
    with pytest.raises(
        GrafanaError, match=r"refused /api/folders with 401: Unauthorized"
    ) as caught:
        upsert_dashboard(grafana.url, "glsa_wrong", BOARD)
    assert caught.value.status == 401
    assert "glsa_wrong" not in repr(caught.value)
    assert grafana.boards == {}


def test_no_redirect_is_followed_with_the_token(grafana: FakeGrafana) -> None:
    grafana.faults["/api/folders"] = (302, b"")
    with pytest.raises(GrafanaError, match="redirects are not followed"):
        upsert_dashboard(grafana.url, TOKEN, BOARD)
    assert grafana.asked == ["GET /api/folders"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>login</html>"),
        (200, b"{}"),
        (200, b"\xff\xfe"),
        (200, b"[" * 100_000),
        (200, b"[" + b"1," * 3_000_000 + b"1]"),
        (500, b"[1]"),
        (500, b"not json"),
    ],
    ids=["html", "no list", "no text", "deep", "large", "odd refusal", "no json"],
)
def test_an_answer_that_is_none_of_grafanas_is_an_error_of_ours(
    grafana: FakeGrafana, status: int, body: bytes
) -> None:
    grafana.faults["/api/folders"] = (status, body)
    with pytest.raises(GrafanaError, match=r"127\.0\.0\.1"):
        upsert_dashboard(grafana.url, TOKEN, BOARD)
    assert grafana.boards == {}


def test_a_grafana_that_answers_a_byte_now_and_then_is_given_up(grafana: FakeGrafana) -> None:
    grafana.folders = [{"uid": "u", "title": "a folder with a long title"}] * 20
    grafana.drip = 0.05
    with pytest.raises(GrafanaError, match="has not answered"):
        upsert_dashboard(grafana.url, TOKEN, BOARD, limit=0.4)
    assert grafana.boards == {}


def test_a_port_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(GrafanaError, match="has not answered"):
            upsert_dashboard(url, TOKEN, BOARD, limit=0.2)


def test_a_name_that_is_not_resolved_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    over = threading.Event()

    def resolve(*args: object, **kwargs: object) -> None:
        over.wait(60)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        with pytest.raises(GrafanaError, match=r"grafana\.test has not answered within 0\.2 s"):
            upsert_dashboard("http://grafana.test", TOKEN, BOARD, limit=0.2)
    finally:
        over.set()


def test_nothing_that_listens_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(GrafanaError, match="refused"):
        upsert_dashboard(f"http://127.0.0.1:{port}", TOKEN, BOARD)


@pytest.mark.parametrize(
    "url",
    ["", "grafana:3000", "file:///etc/passwd", "http://", "http://[1", "http://me:pw@127.0.0.1"],
)
def test_what_is_no_address_of_grafana_is_refused(url: str) -> None:
    with pytest.raises(GrafanaError, match="address of Grafana") as caught:
        upsert_dashboard(url, TOKEN, BOARD)
    assert "pw@" not in str(caught.value)
