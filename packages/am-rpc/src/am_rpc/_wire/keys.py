"""Shared secrets and what each of them opens, on both ends.

A server takes any key of those that it was given; a client offers its first one, and the next
after a refusal. So a secret is exchanged without an end of service: both are valid for a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .._options import Access


_EMPTY: Final = "none, or an empty secret, protects nothing; None stands for no secret"


class Key:
    """A shared secret, for whom it is good and what it opens.

    Args:
        secret: the secret, not empty.
        ids: the client ids that it is good for; None means every one.
        machines: ids of the machines that it opens; None means all of the mux.
        access: what its clients may do; None means what the mux says.

    :raises ValueError: if the secret is empty.
    :raises TypeError: if `ids` or `machines` is one str, or the secret is no bytes.
    """

    __slots__ = ("access", "ids", "machines", "secret")

    def __init__(
        self,
        secret: bytes,
        *,
        ids: Collection[str] | None = None,
        machines: Collection[str] | None = None,
        access: Access | None = None,
    ) -> None:
        if not isinstance(secret, bytes):
            raise TypeError(f"secret: bytes were expected, not {type(secret).__name__}")
        if not secret:
            raise ValueError(_EMPTY)
        self.secret: Final = secret
        self.ids: Final = _names("ids", ids)
        self.machines: Final = _names("machines", machines)
        self.access: Final = access

    def opens(self, machine_id: str) -> bool:
        """Tell whether a machine is among those that it opens."""
        return self.machines is None or machine_id in self.machines

    def _fields(self) -> tuple[Any, ...]:
        return (self.secret, self.ids, self.machines, self.access)

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        told = [
            f"{name}={value!r}"
            for name, value in zip(
                self.__slots__, (self.access, self.ids, self.machines), strict=False
            )
            if value is not None
        ]
        return f"Key({', '.join(('***', *told))})"


# A secret that anybody may have: one, or several of which each is good.
OneOrMore = bytes | Key | Sequence[bytes | Key]
# What a server takes: secrets for all, or a map of key ids to them. A pair of a secret and client
# ids, or None for all, is the short form of a `Key`.
Secrets = OneOrMore | Mapping[str, OneOrMore | tuple[bytes, frozenset[str] | set[str] | None]]
# What a client offers, in this order; a pair names the key by its id.
ClientSecrets = OneOrMore | tuple[str, bytes | Key] | Mapping[str, OneOrMore]


class Keyring:
    """The keys that a server takes.

    :raises ValueError: if there is no key, or an empty secret.
    :raises TypeError: if something else is given.
    """

    def __init__(self, secrets: Secrets) -> None:
        named = isinstance(secrets, Mapping)
        self.is_named: Final = named
        self._keys: dict[str, tuple[Key, ...]] = (
            {key_id: _keys(value) for key_id, value in secrets.items()}
            if isinstance(secrets, Mapping)
            else {"": _keys(secrets)}
        )
        if not any(self._keys.values()):
            raise ValueError(_EMPTY)

    def find(self, key_id: str | None) -> tuple[Key, ...]:
        """Return the keys that a client may mean, none if the id is unknown."""
        return self._keys.get((key_id or "") if self.is_named else "", ())

    def holds(self, key_id: str | None, key: Key | None) -> bool:
        """Tell whether a key is among these, under its id and with the same rights."""
        return key is not None and key in self.find(key_id)


class Credentials:
    """What a client offers: one secret at a time, the next one after a refusal."""

    def __init__(self, secrets: ClientSecrets | None) -> None:
        self._offers: tuple[tuple[str | None, bytes], ...] = tuple(_offers(secrets))
        self._at = 0
        self._refused = 0

    @property
    def key_id(self) -> str | None:
        """Id of the key that is offered now, if it has one."""
        return self._offers[self._at][0] if self._offers else None

    @property
    def secret(self) -> bytes | None:
        """The secret that is offered now; None if there is none."""
        return self._offers[self._at][1] if self._offers else None

    def refused(self) -> bool:
        """Go on to the next secret; False once each was refused in a row."""
        self._refused += 1
        if self._refused >= len(self._offers):
            self._refused = 0
            return False
        self._at = (self._at + 1) % len(self._offers)
        return True

    def worked(self) -> None:
        """The server took it: it is offered first from now on."""
        self._refused = 0

    def __repr__(self) -> str:
        return f"Credentials({len(self._offers)})"


def _offers(secrets: Any) -> Iterator[tuple[str | None, bytes]]:
    if secrets is None:
        return
    if isinstance(secrets, Mapping):
        for key_id, value in secrets.items():
            for key in _keys(value):
                yield key_id, key.secret
        return
    if isinstance(secrets, tuple) and len(secrets) == 2 and isinstance(secrets[0], str):
        yield secrets[0], _key(secrets[1]).secret
        return
    for key in _keys(secrets):
        yield None, key.secret


def _keys(value: Any) -> tuple[Key, ...]:
    if isinstance(value, (bytes, Key)):
        return (_key(value),)
    if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[1], (bytes, Key)):
        return (Key(value[0], ids=value[1]),)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple([_key(one) for one in value])
    raise TypeError(f"secret: bytes or a Key was expected, not {type(value).__name__}")


def _key(value: Any) -> Key:
    return value if isinstance(value, Key) else Key(value)


def _names(what: str, value: Collection[str] | None) -> frozenset[str] | None:
    if isinstance(value, str):
        raise TypeError(f"{what}: give several, not one str")
    return None if value is None else frozenset(value)
