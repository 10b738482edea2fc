"""What runs in each browser tab: an ordinary instance, fed by a collector."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from .view_options import arguments

if TYPE_CHECKING:
    import argparse

    from am_telemetry import dbg


def tab_command(options: argparse.Namespace, collector: dbg.Address) -> str:
    """The command for a shell that shows what a collector has. It takes nothing from the
    environment and from files: the options of the server hold."""
    command = [sys.executable, "-m", "am_debugger", "--no-config", f"--from={collector}"]
    secret = options.secret_env if options.view_from is None else options.peer_secret_env
    if secret is not None:
        command.append(f"--peer-secret-env={secret}")
    if options.view_from is not None and options.tls_ca is not None:
        command.append(f"--tls-ca={options.tls_ca.absolute()}")
    command += [f"--dir={options.dir.absolute()}", f"--max-mem={options.max_mem}"]
    command += [f"--log-ops-ttl={options.log_ops_ttl}", f"--max-clients={options.max_clients}"]
    command += arguments(options)
    for name in ("mouse", "clipboard"):
        if not getattr(options, name):
            command.append(f"--no-{name}")
    if options.select_connected:
        command.append("--select-connected")
    if options.url is not None:
        command.append(options.url)
    return f"exec {shlex.join(command)}"
