"""The engines that these tests run on: real ones, each started once, on loopback alone.

They are chosen by ``AM_ENGINES``, names with commas between; an engine that was chosen and cannot
be started is a failure.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .services import Services
from .slurm_cluster import SlurmCluster
from .ssh_server import SshServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .engine import Engine

ROOT = Path(__file__).parents[2]
CHAOS = ROOT / "packages" / "am-node" / "chaos"


def _ray(services: Services) -> Engine:
    from .ray_head import RayHead  # what it needs is installed for it alone

    return RayHead(services)


def _ssh(services: Services) -> Engine:
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    assert sshd, "there is no sshd"
    return SshServer(services, sshd)


ENGINES: dict[str, Callable[[Services], Engine]] = {
    "ssh": _ssh,
    "slurm": SlurmCluster,
    "ray": _ray,
}


@pytest.fixture(scope="session", params=os.environ.get("AM_ENGINES", "ssh").split(","))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A running engine; nothing of it is left at the end."""
    only_loopback()
    folder = Path(tempfile.mkdtemp(prefix="am-engine-"))
    services = Services(folder)
    started = ENGINES[request.param](services)
    try:
        try:
            started.start()
        except (RuntimeError, TimeoutError) as exc:
            raise AssertionError(f"{request.param} does not start:\n{services.said()}") from exc
        yield started
    finally:
        started.stop()
        services.close()
        left = services.descendants()
        shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"processes are left: {left}"


def only_loopback() -> None:
    """Engines listen on all addresses of a host, so it must have no other one."""
    interfaces = [line.split(":")[0].strip() for line in _lines("/proc/net/dev")[2:]]
    assert interfaces == ["lo"], f"not a network of its own: {interfaces}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of workers: where they import from, and where they tell what they do."""
    monkeypatch.setattr(sys, "path", [str(CHAOS), *sys.path])
    names = ("AM_NODE_CHAOS_LOG", "AM_NODE_CHAOS_PIDS")
    return {"PYTHONPATH": f"{CHAOS}:{ROOT}", **{name: str(tmp_path / name) for name in names}}


@pytest.fixture
def command(notes: dict[str, str]) -> tuple[str, ...]:
    """What starts a worker on a host where nothing is set up."""
    variables = (f"{name}={value}" for name, value in notes.items())
    return ("env", *variables, sys.executable, "-m", "am_node", "worker")
