"""The boot configuration travels intact, and nothing else passes for one."""

import base64
import os
import struct
from collections.abc import Iterator

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

import am_node
from am_node._boot import (
    BootConfig,
    boot_environment,
    framed,
    read_boot_config,
    refuse_other_version,
)

CONFIG = BootConfig(
    bootstrap="unix:/tmp/x/b1",
    token=b"t" * 32,
    kind="Squarer",
    entry="squarer:Squarer",
    worker_id="nw-Squarer-host-abcdef",
    super_id="nc-super",
    link_token=b"l" * 32,
    local_addr="unix:/tmp/x/w1",
    public_addr="127.0.0.1:0",
    ppid=17,
    path=("/a", "/b"),
    timing={"conn_timeout": 5.0},
    tls=b"-----BEGIN CERTIFICATE-----",
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    if write >= 0:
        os.close(write)


def test_a_configuration_survives_the_pipe_and_leaves_the_rest_unread(
    pipe: tuple[int, int],
) -> None:
    read, write = pipe
    os.write(write, framed(CONFIG.to_bytes()) + b"after")
    assert read_boot_config(read) == CONFIG
    assert os.read(read, 10) == b"after"


def test_a_configuration_survives_the_environment_and_is_removed_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in boot_environment(CONFIG.to_bytes()).items():
        monkeypatch.setenv(name, value)
    assert read_boot_config() == CONFIG
    assert "AM_NODE_BOOT" not in os.environ


def test_the_secrets_are_not_readable_in_the_environment() -> None:
    (value,) = boot_environment(CONFIG.to_bytes()).values()
    assert "tttt" not in value


def test_a_length_over_the_limit_is_refused_before_it_is_read(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.write(write, struct.pack(">I", 64 * 1024 + 1))
    with pytest.raises(am_node.BootError, match="over 64 KiB"):
        read_boot_config(read)


def test_a_silent_supervisor_is_given_up_on(pipe: tuple[int, int]) -> None:
    with pytest.raises(am_node.BootError, match="in time"):
        read_boot_config(pipe[0], timeout=0.01)


def test_a_pipe_that_ends_early_is_told_apart() -> None:
    read, write = os.pipe()
    os.write(write, struct.pack(">I", 100) + b"short")
    os.close(write)
    with pytest.raises(am_node.BootError, match="ended before"):
        read_boot_config(read)
    os.close(read)


def test_an_oversized_configuration_is_refused_where_it_is_made() -> None:
    fat = CONFIG._replace(path=("x" * 1000,) * 70)
    with pytest.raises(am_node.BootError, match="over 64 KiB"):
        fat.to_bytes()


@pytest.mark.parametrize(
    "name", ["bootstrap", "token", "ppid", "lifeline", "path", "timing", "tls"]
)
@pytest.mark.parametrize("value", [None, 1.5, ["a"]])
def test_a_value_of_a_wrong_type_is_named(name: str, value: object) -> None:
    plain = msgpack.unpackb(CONFIG.to_bytes())
    plain[name] = [7] if (name, value) == ("path", ["a"]) else value
    with pytest.raises(am_node.BootError, match=name):
        BootConfig.from_bytes(msgpack.packb(plain))


def test_a_missing_value_is_named() -> None:
    plain = msgpack.unpackb(CONFIG.to_bytes())
    del plain["entry"]
    with pytest.raises(am_node.BootError, match="lacks 'entry'"):
        BootConfig.from_bytes(msgpack.packb(plain))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_boot_errors(data: bytes) -> None:
    with pytest.raises(am_node.BootError):
        BootConfig.from_bytes(data)


@pytest.mark.parametrize("value", ["%%%", "A" * 100_000, base64.b64encode(b"junk").decode()])
def test_a_junk_variable_is_a_boot_error(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AM_NODE_BOOT", value)
    with pytest.raises(am_node.BootError):
        read_boot_config()


def test_a_worker_of_another_version_is_refused_and_both_are_named() -> None:
    refuse_other_version(CONFIG)
    with pytest.raises(am_node.BootError, match=r"am-node \d.* here.* am-node 9\.9\.9") as caught:
        refuse_other_version(CONFIG._replace(version="9.9.9"))
    assert CONFIG.version in str(caught.value)
