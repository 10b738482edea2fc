"""Addresses: printing then parsing gives the same one, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from am_debugger import UrlError
from am_debugger._derive.url import LATEST_TIME, MachineUrl, format_time, parse_time, parse_url

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.none() | st.integers(0, 10**17)
URLS = st.builds(
    MachineUrl,
    machine_id=TEXT.filter(bool),
    tx=st.binary(min_size=8, max_size=8),
    step=st.none() | st.integers(0, 500),
    time_sum=NUMBERS,
    time=st.none() | st.integers(0, LATEST_TIME),
    queue_tick=NUMBERS,
    group=st.none() | TEXT,
    state=st.none() | TEXT,
) | st.builds(MachineUrl, machine_id=TEXT.filter(bool), time_sum=NUMBERS, state=st.none() | TEXT)


@given(URLS)
def test_printing_then_parsing_gives_the_same_address(url: MachineUrl) -> None:
    assert parse_url(str(url)) == url


@given(st.text(max_size=40) | st.text(max_size=30).map("mach://".__add__))
def test_other_texts_are_refused_or_read_as_printed(text: str) -> None:
    try:
        url = parse_url(text)
    except UrlError:
        return
    assert parse_url(str(url)) == url


def test_an_address_reads_as_documented() -> None:
    url = parse_url("mach://worker-3/5f2c00000000a1ff/2?state=Ready&t=9&q=4&group=Flow")
    assert url == MachineUrl(
        "worker-3", bytes.fromhex("5f2c00000000a1ff"), 2, 9, None, 4, "Flow", "Ready"
    )
    assert parse_url("mach://a%2Fb~2") == MachineUrl("a/b~2")
    assert parse_url("MACH://m?ht=2026-01-02T03:04:05%2B01:00").time == 1767319445000000
    assert parse_url("mach://m?ht=2026-01-02T03:04:05+01:00").time == 1767319445000000
    assert format_time(1767319445000001) == "2026-01-02T02:04:05.000001Z"
    assert parse_time(format_time(LATEST_TIME + 5)) == LATEST_TIME


@pytest.mark.parametrize(
    "text",
    [
        "",
        "worker",
        "http://worker",
        "mach://",
        "mach://m/xyz",
        "mach://m/5f2c",
        "mach://m/5f2c00000000a1ff/x",
        "mach://m/5f2c00000000a1ff/1/2",
        "mach://m//1",
        "mach://m?t=-1",
        "mach://m?t=1&t=2",
        "mach://m?other=1",
        "mach://m?t=99999999999999999999",
        "mach://m?ht=yesterday",
        "mach://m?ht=1969-01-01T00:00:00Z",
        "mach://m?ht=2026-13-01T00:00:00Z",
        "mach://%ff",
        "mach://" + "m" * 9000,
    ],
)
def test_bad_addresses_say_what_is_wrong(text: str) -> None:
    with pytest.raises(UrlError, match="no address of a machine: "):
        parse_url(text)
