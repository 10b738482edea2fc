"""How options are declared: a default, a unit and a meaning each, and nobody changes them later."""

from __future__ import annotations

from typing import Any, ClassVar, Self, dataclass_transform


class Option:
    """One option of a class: its name, default, unit (empty if it has none) and meaning."""

    __slots__ = ("default", "doc", "name", "unit")

    def __init__(self, unit: str, doc: str, default: Any) -> None:
        self.name = ""
        self.unit = unit
        self.doc = doc
        self.default = default


def option(unit: str, doc: str, *, default: Any) -> Any:
    """Declare an option in the body of an `Options` class."""
    return Option(unit, doc, default)


@dataclass_transform(frozen_default=True, field_specifiers=(option,))
class Options:
    """Base of classes whose fields are options, given in order or by name.

    What a frozen dataclass would do, without the source that it generates and compiles at each
    import: that took a tenth of the time that importing the package may take.
    """

    _declared: ClassVar[dict[str, Option]]
    _defaults: ClassVar[dict[str, Any]]

    def __init_subclass__(cls) -> None:
        cls._declared = {}
        for name, value in vars(cls).items():
            if isinstance(value, Option):
                value.name = name
                cls._declared[name] = value
        cls._defaults = {name: found.default for name, found in cls._declared.items()}
        for name in cls._declared:
            delattr(cls, name)

    def __init__(self, *values: Any, **named: Any) -> None:
        given = dict(zip(self._declared, values, strict=False)) | named
        if len(given) < len(values) + len(named) or not given.keys() <= self._declared.keys():
            kind, known = type(self).__name__, ", ".join(self._declared)
            raise TypeError(f"{kind}: unknown or repeated options; there are {known}")
        self.__dict__.update(self._defaults | self.settled(given))

    def settled(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what was given as it is kept. Raises `TypeError` for what cannot be meant."""
        return given

    def replace(self, **changed: Any) -> Self:
        """Return the same with some options changed; `copy.replace` of Python 3.13 does it, too."""
        return type(self)(**(self.__dict__ | changed))

    __replace__ = replace

    @classmethod
    def declared(cls) -> tuple[Option, ...]:
        """Return the options in order."""
        return tuple(cls._declared.values())

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        changed = [f"{n}={v!r}" for n, v in self.__dict__.items() if v != self._defaults[n]]
        return f"{type(self).__name__}({', '.join(changed)})"
