"""The reference page of all options, made from the classes that define them.

`python -m am_rpc._reference > docs/options.md` renews the page; a test compares the two.
"""

from __future__ import annotations

from typing import Final

from ._options import Access, Limits, Retry, Sync

_HEAD: Final = """# Options

Made from the code. Sizes are encoded bytes; times are seconds.
"""


def options_page() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD]
    for cls in (Sync, Retry, Limits, Access):
        about = (cls.__doc__ or "").partition("\n")[0]
        parts.append(f"## {cls.__name__}\n\n{about}\n")
        rows = ["| field | default | unit | meaning |", "| ----- | ------- | ---- | ------- |"]
        for option in cls.declared():
            unit, doc = option.unit, option.doc
            rows.append(f"| `{option.name}` | {_shown(option.default)} | {unit} | {doc} |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def _shown(value: object) -> str:
    return f"{value:,}" if type(value) is int else str(value)


if __name__ == "__main__":
    print(options_page(), end="")
