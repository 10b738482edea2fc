"""`am-telemetry check`: which switches are set, which extras are missing, and who answers.

Nothing is changed and nothing is sent but an export of nothing. Secrets are not shown.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from urllib.parse import unquote

from .._env import text
from . import probes
from .switches import SWITCHES, is_off

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MODULES = {
    "dbg": ("msgpack",),
    "otlp": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "prometheus": ("opentelemetry.sdk", "opentelemetry.exporter.prometheus", "prometheus_client"),
}
"""What must be installed for each extra."""
SIGNALS = {"traces": "AM_OTEL_TRACE", "metrics": "AM_OTEL_METRICS", "logs": "AM_OTEL_LOGS"}
PORTS = range(9464, 9564)
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `is_fault` where there is something to mend."""

    text: str
    is_fault: bool = False


def check(out: TextIO) -> int:
    """Write the report; return 1 if something is to be mended, else 0."""
    sections = {
        "switches": list(switches()),
        "extras": list(extras()),
        "endpoints": list(endpoints()),
    }
    faults = 0
    for title, findings in sections.items():
        print(title, file=out)
        for finding in findings or [Finding("none asked for")]:
            print(f"  {'!' if finding.is_fault else ' '} {_printable(finding.text)}", file=out)
            faults += finding.is_fault
    print("all is well" if not faults else f"{faults} to mend, marked !", file=out)
    return 1 if faults else 0


def _printable(text: str) -> str:
    """One line that commands no terminal, whatever a variable holds and a server answered."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def switches() -> Iterator[Finding]:
    """Each variable that is set, and what is wrong with it."""
    known = {switch.name for switch in SWITCHES}
    for switch in SWITCHES:
        value = os.environ.get(switch.name, "").strip()
        if not value:
            continue
        shown = "(not shown)" if switch.is_secret else probes.without_credentials(value)[:_SHOWN]
        fault = None if is_off(value) else switch.fault(value)
        yield Finding(f"{switch.name} = {shown}{f': {fault}' if fault else ''}", bool(fault))
        if switch.needs_service and not is_off(value) and text("AM_SERVICE") is None:
            yield Finding(f"{switch.name} needs AM_SERVICE", True)
    for name in sorted(os.environ):
        if name.startswith(("AM_OTEL_", "AM_PROM_", "AM_GRAFANA_")) and name not in known:
            yield Finding(f"{name} is no switch of ours", True)


def extras() -> Iterator[Finding]:
    """Each extra that a switch asks for, or that is installed anyway."""
    wanted = {switch.extra for switch in SWITCHES if switch.extra and _is_set(switch.name)}
    for extra, modules in MODULES.items():
        missing = [name for name in modules if not _is_installed(name)]
        if not missing:
            yield Finding(f"{extra}: installed")
        elif extra in wanted:
            yield Finding(f'{extra}: missing: python -m pip install "am-telemetry[{extra}]"', True)
        else:
            yield Finding(f"{extra}: not installed, and not asked for")


def endpoints() -> Iterator[Finding]:
    """Each endpoint that a switch names, and whether it answers."""
    for signal, switch in SIGNALS.items():
        if _is_set(switch):
            url = otlp_url(signal)
            yield _asked(f"OTLP {signal}", url, probes.takes_otlp, url, otlp_headers(signal))
    if address := text("AM_PROM_ADDR"):
        yield _scrape(address)
    if folder := text("AM_PROM_SD_DIR"):
        yield _folder(folder)
    if push := text("AM_PROM_PUSH_URL"):
        yield _asked("Pushgateway", push, probes.http_answers, f"{push.rstrip('/')}/-/ready")
    if grafana := text("AM_GRAFANA_URL"):
        token = text("AM_GRAFANA_TOKEN")
        yield _asked("Grafana", grafana, probes.grafana_answers, grafana, token)
    if debugger := text("AM_DBG_ADDR"):
        yield _debugger(debugger)
    if path := text("AM_DBG_TLS_CA"):
        yield _asked("certificate", path, probes.certificate_loads, path)


def otlp_url(signal: str) -> str:
    """Return where a signal is sent to, as the SDK reads the environment."""
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or "http://localhost:4318"
    return own or f"{base.rstrip('/')}/v1/{signal}"


def otlp_headers(signal: str) -> Mapping[str, str]:
    """Return the headers that the SDK sends along, of which some are secrets."""
    text = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS", "")
    pairs = (text or os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")).split(",")
    split = [pair.partition("=") for pair in pairs if "=" in pair]
    return {unquote(key).strip(): unquote(value).strip() for key, _, value in split}


def _is_set(name: str) -> bool:
    return text(name) is not None


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _asked(what: str, where: str, ask: Callable[..., None], *args: object) -> Finding:
    shown = probes.without_credentials(where)[:_SHOWN]
    try:
        ask(*args)
    except probes.NoAnswer as exc:
        return Finding(f"{what} {shown}: {exc}", True)
    return Finding(f"{what} {shown}: answers")


def _scrape(address: str) -> Finding:
    if address == "1":
        for port in PORTS:
            if probes.is_free(f"127.0.0.1:{port}"):
                return Finding(f"scrape endpoint 127.0.0.1:{port}: the first that is free")
        return Finding(f"scrape endpoint: none of {PORTS[0]} to {PORTS[-1]} is free", True)
    try:
        if probes.is_free(address):
            return Finding(f"scrape endpoint {address}: free for a program")
    except (probes.NoAnswer, ValueError) as exc:
        return Finding(f"scrape endpoint {address}: {exc}", True)
    url = f"http://{address}/metrics"
    return _asked("scrape endpoint", url, probes.http_answers, url)


def _folder(name: str) -> Finding:
    # It is made where it is missing, below the nearest folder that is there.
    folder = Path(name)
    there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding(f"folder {name}: can be written")
    return Finding(f"folder {name}: cannot be written", True)


def _debugger(address: str) -> Finding:
    try:
        addresses = probes.debugger_addresses(address)
    except probes.NoAnswer as exc:
        return Finding(f"debugger {address}: {exc}", True)
    found = [_asked("debugger", one, probes.accepts, one) for one in addresses]
    for finding in found:
        if not finding.is_fault:
            return finding
    return Finding("; ".join(finding.text for finding in found), True)
