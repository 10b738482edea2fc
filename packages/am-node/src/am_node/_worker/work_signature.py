"""Whether the args of a request fit the parameters of ``work``, without a full binding of each."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class WorkSignature:
    """The parameters of a class's ``work``; a class without one takes any args."""

    def __init__(self, cls: type[Any]) -> None:
        self._signature = _signature(cls)
        self._required: frozenset[str] = frozenset()
        self._named: frozenset[str] = frozenset()
        if self._signature is not None:
            parameters = self._signature.parameters.values()
            named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
            # What the names alone do not decide is left to the signature.
            if all(p.kind is not p.POSITIONAL_ONLY for p in parameters):
                self._named = frozenset(p.name for p in named)
                self._required = frozenset(p.name for p in named if p.default is p.empty)

    def problem(self, args: Mapping[str, Any]) -> TypeError | None:
        """What is wrong with `args`; None if ``work(**args)`` is a proper call."""
        if self._signature is None or self._required <= args.keys() <= self._named:
            return None
        try:
            self._signature.bind(**args)
        except TypeError as exc:
            return exc
        return None


def _signature(cls: type[Any]) -> inspect.Signature | None:
    """The parameters without ``self``; None if there is no such method."""
    method = inspect.getattr_static(cls, "work", None)
    function = getattr(cls, "work", None)
    if method is None or function is None:
        return None
    signature = inspect.signature(function)
    if isinstance(method, (staticmethod, classmethod)):
        return signature
    return signature.replace(parameters=list(signature.parameters.values())[1:])
