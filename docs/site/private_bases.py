"""A public class as the reference shows it: whole, and without its private bases.

What a class has from a room of its package is as much its own as what it defines itself. Public
bases are named, and described where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from griffe import Alias, Class, Extension, Module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from griffe import Expr, GriffeLoader

    Base = str | Expr


class PrivateBases(Extension):
    """Puts members of private bases into the public classes that derive from them."""

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **kwargs: Any) -> None:
        """Change the classes of a package once it was read."""
        known = {cls.path: cls for cls in exported(pkg)}
        for cls in known.values():
            bases: dict[str, Base] = {}
            for base in _public(cls, known, into=cls):
                bases.setdefault(str(base), base)
            cls.bases = [*bases.values()]


def exported(module: Module) -> Iterator[Class]:
    """The classes that a package makes and offers: what its public modules list, or else make."""
    for name, member in module.members.items():
        if name.startswith("_"):
            continue
        if isinstance(member, Module):
            yield from exported(member)
        elif module.exports is None or name in module.exports:
            target = _target(member) if isinstance(member, Alias) else member
            if isinstance(target, Class) and target.package is module.package:
                yield target


def _target(alias: Alias) -> object:
    """What a name stands for; None if that is of another package."""
    package = alias.package
    return alias.final_target if alias.target_path.partition(".")[0] == package.name else None


def _public(cls: Class, known: dict[str, Class], *, into: Class) -> Iterator[Base]:
    """The bases of a class that readers can look up; what private ones have is put into `into`."""
    for base in cls.bases:
        path = base if isinstance(base, str) else base.canonical_path
        hidden = _hidden(path, cls, known)
        if hidden is None:
            yield base
            continue
        for name, member in hidden.members.items():
            if name not in into.members:
                into.set_member(name, Alias(name, member, parent=into))
        yield from _public(hidden, known, into=into)


def _hidden(path: str, cls: Class, known: dict[str, Class]) -> Class | None:
    """The base of this path, if it is a class of the package that is not offered."""
    if path.partition(".")[0] != cls.package.name:
        return None
    found = cls.modules_collection[path]
    target = found.final_target if isinstance(found, Alias) else found
    return target if isinstance(target, Class) and target.path not in known else None
