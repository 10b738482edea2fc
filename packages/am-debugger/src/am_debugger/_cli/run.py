"""An instance: the machine, the server, forwarding, dumps; the same with and without a screen."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import sys
import traceback
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

import am_rpc
from am_telemetry import dbg

from .._core.debugger import Debugger
from .._core.linting import watch_lints
from .._core.working import sliced
from .._errors import CannotListenError, DebuggerError, DumpError
from .._feed.forward import forward
from .._feed.listening import is_loopback
from .._feed.server import Server
from .._feed.viewing import view
from .._feed.wishes import ServerWishes, ViewerWishes
from .._files.inspect import inert
from .._files.outputs.handlers import OutputHandlers
from .._files.port import DumpFiles, forget_old, rotated_name
from .._serve.guard import Guard
from .._web.handlers import ANYWHERE, WebHandlers
from .listener import Listener, SaidUi
from .options import settings_of
from .output_options import output_states
from .peers import client_tls, own_process, secret_of
from .tabs import tab_command
from .values import UsageError
from .view_options import begin

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from .._store.store import Store

OK, INTERNAL, USAGE, CANNOT_LISTEN, BAD_DUMP = range(5)
_MEGABYTE = 1 << 20
# Seconds that the last dump may take, when it is to end.
_LAST_DUMP = 30.0
_HOUR = 3600


class Instance:
    """One `am-dbg`: `core_main` is its trio side, `exit_code` what came of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.exit_code = OK
        self.process = own_process()
        self.files = DumpFiles(self.process)
        self.debugger = Debugger(settings_of(options), files=self.files, id=options.id)
        self.outputs = OutputHandlers(self.debugger)
        self.web = WebHandlers(self.debugger, options.web or ANYWHERE)
        self.outputs.on_written = self.web.wrote
        for handlers in (self.outputs, self.web):
            self.debugger.machine.bind(handlers)
        if options.headless or options.serve is not None:
            self.debugger.ui = SaidUi()
        self.listener = Listener(self.debugger, options.url)
        self.server = Server(
            self.debugger.session.store,
            self.listener,
            self.process,
            secret=secret_of(options.secret_env),
            tls=_server_tls(options),
            detail=options.detail,
        )
        self.debugger.wishes = ServerWishes(self.server)
        self.debugger.addresses = self.server.addresses
        self.repl_address: str | None = None
        self.private: dbg.Address | None = None
        """Where only this user's own viewers connect."""
        self._scope = trio.CancelScope()
        self._warn_of_strangers()
        self._make_folder()

    def _make_folder(self) -> None:
        """Else it would take all in, and say at the end that none of it could be written."""
        folder: Path = self.options.dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise UsageError(f"--dir {folder}: {exc.strerror}") from exc

    def _warn_of_strangers(self) -> None:
        for address in self.options.listen or ():
            if is_loopback(address):
                continue
            if self.server.secret is None:
                raise UsageError(f"{address} is open to other hosts: give --secret-env")
            if self.options.tls_cert is None:
                print(
                    f"am-dbg: {address}: without --tls-cert others can read along", file=sys.stderr
                )

    def stop(self, code: int = OK) -> None:
        """End, with an exit code."""
        self.exit_code = code
        self._scope.cancel()

    async def core_main(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """All of it but the screen, until `stop` is called.

        :raises CannotListenError: if an address cannot be listened at.
        :raises DumpError: if a dump is none, or cannot be read.
        """
        machine = self.debugger.machine
        with self._scope, self._debugged():
            async with machine, trio.open_nursery() as nursery:
                machine.add("Start", *output_states(self.options))
                begin(machine, self.options)
                await self._connect(nursery)
                await self._serve_repl()
                nursery.start_soon(self.debugger.watch_memory)
                if not self.options.headless:
                    nursery.start_soon(watch_lints, self.debugger)
                if self.options.rotate_tx or self.options.rotate_every:
                    nursery.start_soon(self._rotate)
                # The screen is there while dumps are loaded.
                task_status.started()
                await self._import()
                machine.add("Ready")
                self.listener.expect()
                await trio.sleep_forever()

    async def _serve_repl(self) -> None:
        """Let `arpc` drive this instance, if that is wanted."""
        if not self.options.repl:
            return
        name = f"repl-{os.getpid()}.sock"
        address = f"unix:{Path(default_addresses()[0].path or '').with_name(name)}"
        try:
            self.repl_address = await am_rpc.repl(self.debugger.machine, address).ready()
        except am_rpc.RpcError as exc:
            raise CannotListenError(address, str(exc.__cause__ or exc)) from exc
        if not isinstance(self.debugger.ui, SaidUi):  # without a screen it is announced
            self.debugger.note(f"for arpc: {self.repl_address}")

    @contextlib.contextmanager
    def _debugged(self) -> Iterator[None]:
        """Let another debugger look at this one, if that is wanted."""
        if self.options.dbg_addr is None:
            yield
            return
        with dbg.DbgExporter(str(self.options.dbg_addr)) as exporter:
            exporter.bind(self.debugger.machine)
            yield

    async def _import(self) -> None:
        machine = self.debugger.machine
        for path in self.options.imports:
            machine.add("Importing", path=path, is_needed=True)
            await machine.when_not("Importing")
            fault = self.debugger.fault
            if isinstance(fault, OSError):
                raise DumpError(path, fault.strerror or str(fault)) from fault
            if fault is not None:
                raise fault

    async def _connect(self, nursery: trio.Nursery) -> None:
        options, peer = self.options, secret_of(self.options.peer_secret_env)
        tls = client_tls(options.tls_ca)
        store, listener = self.debugger.session.store, self.listener
        if options.view_from is not None:
            if options.serve is not None and not (options.forward or options.rotate_tx):
                return  # tabs view it by themselves

            wishes = self.debugger.wishes = ViewerWishes()
            nursery.start_soon(
                partial(
                    view,
                    store,
                    listener,
                    options.view_from,
                    self.process,
                    secret=peer,
                    tls=tls,
                    wishes=wishes,
                )
            )
        else:
            addresses = default_addresses() if options.listen is None else list(options.listen)
            if self.private is not None:
                addresses.append(self.private)
            if addresses:
                await nursery.start(self.server.serve, addresses)
        for address in options.forward:
            nursery.start_soon(forward, self.server, address, peer, tls)

    # ------------------------------------------------------------------ rotated dumps

    async def _rotate(self) -> None:
        """Write a dump each so many transitions or hours, and one of what is left at the end; the
        last 24 stay."""
        options, store = self.options, self.debugger.session.store
        since, start = taken(store), trio.current_time()
        interval = options.rotate_every * _HOUR if options.rotate_every else float("inf")
        try:
            while True:
                await trio.sleep(min(1.0, interval))
                is_due = trio.current_time() - start >= interval
                if is_due or (options.rotate_tx and taken(store) - since >= options.rotate_tx):
                    since, start = taken(store), trio.current_time()
                    await self.write_rotated()
        finally:
            if taken(store) != since:
                with trio.move_on_after(_LAST_DUMP, shield=True):
                    await self.write_rotated()

    async def write_rotated(self) -> None:
        """Write a dump of all that is kept; what fails is told, and tried again next time."""
        folder: Path = self.options.dir
        path = folder / rotated_name(datetime.now())
        try:
            writing = self.files.write(self.debugger.session.store, str(path), None)
            async for _ in sliced(writing, self.debugger.pace):
                pass
            forget_old(folder)
        except (OSError, DebuggerError) as exc:
            self.debugger.note(f"no dump was written: {exc}")
        else:
            self.debugger.note(f"written: {path}")

    def last_words(self) -> str:
        """One line at the end: machines, transitions, memory."""
        store = self.debugger.session.store
        size = store.nbytes / _MEGABYTE
        return f"am-dbg: {len(store)} machines, {taken(store)} transitions, {size:.1f} MB"


def taken(store: Store) -> int:
    """Transitions that ever came, those dropped since among them."""
    return sum([client.last for client in store])


def default_addresses() -> list[dbg.Address]:
    """Where exporters look for the user's own debugger."""
    return [dbg.parse_address(text) for text in dbg.default_addresses(make=True)]


def _server_tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key)
    except (OSError, ssl.SSLError) as exc:
        raise UsageError(f"--tls-cert: {exc}") from exc
    return context


def run(options: argparse.Namespace) -> int:
    """Run an instance until it ends, and return its exit code.

    :raises UsageError: if options do not go together.
    """
    if options.serve is not None:
        _check_web()
    instance = Instance(options)
    code = INTERNAL
    try:
        if options.headless:
            trio.run(_headless, instance)
        elif options.serve is not None:
            _run_with_tabs(instance)
        else:
            # Not imported by collectors.
            from .._ui.launcher import run_with_screen

            run_with_screen(instance)
        code = instance.exit_code
    except* CannotListenError as group:
        code = _failed(group, CANNOT_LISTEN)
    except* DumpError as group:
        code = _failed(group, BAD_DUMP)
    except* Exception as group:
        code = INTERNAL  # whatever else failed beside it
        for exc in _leaves(group):
            with contextlib.suppress(OSError):
                traceback.print_exception(exc)
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(inert(instance.last_words()), file=sys.stderr, flush=True)
    return code


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for exc in group.exceptions:
        if isinstance(exc, BaseExceptionGroup):
            yield from _leaves(exc)
        else:
            yield exc


def _failed(group: BaseExceptionGroup[BaseException], code: int) -> int:
    with contextlib.suppress(OSError):
        for exc in _leaves(group):
            print(f"am-dbg: {inert(str(exc))}", file=sys.stderr)
            if isinstance(exc, CannotListenError) and exc.is_taken:
                offer = f"am-dbg --from {exc.address}"
                print(f"am-dbg: to look at what it has: {inert(offer)}", file=sys.stderr)
    return code


async def _headless(instance: Instance) -> None:
    """The trio side, with signals; one line tells where exporters connect."""
    async with trio.open_nursery() as nursery:
        await nursery.start(_signals, instance)
        nursery.start_soon(_announce, instance)
        await instance.core_main()
        nursery.cancel_scope.cancel()


async def _announce(instance: Instance) -> None:
    machine = instance.debugger.machine
    await machine.when("Ready")
    if "Ready" in machine:  # else it ended before
        announce(instance)


def announce(instance: Instance, url: str | None = None) -> None:
    """One line tells where exporters, browsers and `arpc` connect."""
    shown = [address for address in instance.server.addresses if address != instance.private]
    told = [" and ".join(map(str, shown)) or str(instance.options.view_from)]
    if url is not None:
        told.append(f"browsers: {url}")
    if instance.repl_address is not None:
        told.append(f"arpc {instance.repl_address}")
    print(f"am-dbg: {'; '.join(told)}", file=sys.stderr, flush=True)


def _check_web() -> None:
    try:
        import textual_serve.server  # noqa: F401
    except ImportError as exc:
        raise UsageError("--serve needs: python -m pip install 'am-debugger[web]'") from exc


def _run_with_tabs(instance: Instance) -> None:
    """The web server, which only this mode imports."""
    from .._serve.launcher import run_with_tabs
    from .._serve.private_folder import private_folder

    options = instance.options
    guard = Guard(is_loopback(options.serve), options.serve_url)
    if not guard.is_loopback:
        print(f"am-dbg: whoever reaches {options.serve} can drive the debugger", file=sys.stderr)
    with private_folder() as folder:
        collector = options.view_from
        if collector is None:
            collector = instance.private = dbg.parse_address(f"unix:{folder}/tabs.sock")
        command = tab_command(options, collector)
        where = options.serve.host, options.serve.port
        run_with_tabs(instance, command, guard, *where, lambda url: announce(instance, url))


async def _signals(
    instance: Instance, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Ctrl+C ends it well, SIGTERM and SIGHUP with 128 and their number."""
    numbers = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    with trio.open_signal_receiver(*numbers) as received:
        task_status.started()
        async for number in received:
            instance.stop(OK if number == signal.SIGINT else 128 + number)
