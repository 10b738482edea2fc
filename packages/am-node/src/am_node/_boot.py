"""The boot configuration: what a supervisor tells a new worker process, and how it travels.

One MessagePack map with its length before it (uint32, big-endian) goes down the child's stdin, so
that no secret shows in the argument list or the environment. A launcher without stdin passes the
map in base64 as the variable ``AM_NODE_BOOT``. The reader trusts neither: size, types and names
are checked.
"""

from __future__ import annotations

import base64
import binascii
import os
import select
import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgpack  # type: ignore[import-untyped]

from .__about__ import __version__
from ._errors import BootError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BOOT_VARIABLE = "AM_NODE_BOOT"
# A pipe takes 64 KiB at once on Linux, so writing the map never waits for the child.
MAX_BOOT_BYTES = 64 * 1024
_LENGTH = struct.Struct(">I")


_SECRETS = frozenset({"token", "link_token", "tls"})


class BootConfig(NamedTuple):
    """Everything a worker process needs to come up.

    `bootstrap` is the address to report to, `token` the one-time secret for it, `worker_id` the id
    of the worker's machine, `super_id` the RPC client id of the supervisor's private link,
    `link_token` the secret of that link. `local_addr`, `public_addr` and, if there is one,
    `near_addr` are to be bound, the last one for clients on the same host; without `local_addr` the
    worker dials `bootstrap` for its private link, too. `ppid` is the pid the
    child's parent must have (0: not checked), `lifeline` whether stdin stays open as long as the
    supervisor lives. `path` goes to the end of ``sys.path``. `tls` holds certificate, chain and
    key in PEM, if links are to be encrypted. `version` is the supervisor's of this package.
    Durations are seconds.
    """

    bootstrap: str
    token: bytes
    kind: str
    entry: str
    worker_id: str
    super_id: str
    link_token: bytes
    local_addr: str
    public_addr: str
    near_addr: str = ""
    ppid: int = 0
    lifeline: bool = True
    version: str = __version__
    log_level: int = 0
    tls: bytes = b""
    path: tuple[str, ...] = ()
    timing: Mapping[str, float] = {}
    rlimits: Mapping[str, int] = {}
    options: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        shown = [f"{k}={v!r}" for k, v in self._asdict().items() if k not in _SECRETS]
        return f"BootConfig({', '.join(shown)})"

    def to_bytes(self) -> bytes:
        """The map in MessagePack, without the length.

        Names of files that are no Unicode travel as Python writes them.

        :raises BootError: if it is larger than 64 KiB, or holds what cannot travel.
        """
        try:
            packed = cast("bytes", msgpack.packb(self._asdict(), unicode_errors="surrogateescape"))
        except (TypeError, ValueError, OverflowError) as exc:
            raise BootError(f"the boot configuration cannot be written: {exc}") from exc
        if len(packed) > MAX_BOOT_BYTES:
            path = sum(len(os.fsencode(entry)) for entry in self.path)
            raise BootError(
                f"the boot configuration has {len(packed)} bytes, over 64 KiB, "
                f"{path} of them for the {len(self.path)} entries of sys.path"
            )
        return packed

    @classmethod
    def from_bytes(cls, packed: bytes) -> BootConfig:
        """Check and read what `to_bytes` wrote.

        :raises BootError: if it is not such a map, too large, or a value is missing or of a wrong
        type.
        """
        if len(packed) > MAX_BOOT_BYTES:
            raise BootError(f"the boot configuration has {len(packed)} bytes, over 64 KiB")
        try:
            plain = msgpack.unpackb(
                packed,
                raw=False,
                use_list=False,
                strict_map_key=True,
                unicode_errors="surrogateescape",
            )
        except (ValueError, msgpack.UnpackException) as exc:
            raise BootError("the boot configuration is not MessagePack") from exc
        if not isinstance(plain, dict):
            raise BootError("the boot configuration is not a map")
        values: dict[str, Any] = {}
        for name, kinds in _TYPES.items():
            if name not in plain:
                raise BootError(f"the boot configuration lacks {name!r}")
            value = plain[name]
            if type(value) not in kinds:
                raise BootError(f"{name!r} in the boot configuration has a wrong type")
            values[name] = value
        if not all(type(item) is str for item in values["path"]):
            raise BootError("'path' in the boot configuration has a wrong type")
        return cls(**values)


_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("bootstrap", "kind", "entry", "worker_id", "super_id", "version"), (str,)),
    **dict.fromkeys(("local_addr", "public_addr", "near_addr"), (str,)),
    **dict.fromkeys(("token", "link_token", "tls"), (bytes,)),
    **dict.fromkeys(("ppid", "log_level"), (int,)),
    **dict.fromkeys(("timing", "rlimits", "options"), (dict,)),
    "lifeline": (bool,),
    "path": (tuple,),
}


def refuse_other_version(config: BootConfig) -> None:
    """Refuse to work for a supervisor of another version: what both say may have changed.

    :raises BootError: if it has another one.
    """
    if config.version != __version__:
        raise BootError(
            f"am-node {__version__} is installed here, and the supervisor has am-node "
            f"{config.version}: workers need the same version"
        )


def module_path(entries: Iterable[object]) -> tuple[str, ...]:
    """What a worker can use of a ``sys.path``: each folder once, whatever type it was put in as.

    A relative entry, such as the empty one, is where this process is now.
    """
    found: dict[str, None] = {}
    for entry in entries:
        try:
            text = os.fsdecode(cast("str", entry))
            found[os.path.abspath(text)] = None
        except (TypeError, ValueError, OSError):
            # No name of a file, which Python's own import skips as well; or no folder any more.
            continue
    return tuple(found)


def framed(packed: bytes) -> bytes:
    """The bytes to write to the child's stdin: the length, then the map."""
    return _LENGTH.pack(len(packed)) + packed


def boot_environment(packed: bytes) -> dict[str, str]:
    """The environment variable for a launcher that has no stdin to offer."""
    return {BOOT_VARIABLE: base64.b64encode(packed).decode("ascii")}


def read_boot_config(fd: int = 0, timeout: float = 10.0) -> BootConfig:
    """Read the configuration of this process: from `AM_NODE_BOOT` if it is set, else from `fd`.

    Blocks up to `timeout` seconds; meant to be called before the event loop runs. The variable is
    removed from the environment, so that no grandchild inherits it.

    :raises BootError: if nothing valid arrives in time.
    """
    encoded = os.environ.pop(BOOT_VARIABLE, None)
    if encoded is not None:
        if len(encoded) > MAX_BOOT_BYTES * 4 // 3 + 4:
            raise BootError(f"{BOOT_VARIABLE} is over 64 KiB")
        try:
            return BootConfig.from_bytes(base64.b64decode(encoded, validate=True))
        except binascii.Error as exc:
            raise BootError(f"{BOOT_VARIABLE} is not base64") from exc
    deadline = time.monotonic() + timeout
    (length,) = _LENGTH.unpack(_read_exactly(fd, _LENGTH.size, deadline))
    if length > MAX_BOOT_BYTES:
        raise BootError(f"the boot configuration is said to have {length} bytes, over 64 KiB")
    return BootConfig.from_bytes(_read_exactly(fd, length, deadline))


def _read_exactly(fd: int, count: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        # Byte-wise exact reads: what follows the map on the pipe is the lifeline's.
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise BootError("no boot configuration came down stdin in time")
        chunk = os.read(fd, count - len(parts))
        if not chunk:
            raise BootError("stdin ended before the boot configuration was complete")
        parts += chunk
    return bytes(parts)
