"""The types of the blocks of a page are really checked: what is wrong is told, line by line."""

from pathlib import Path

import pytest

from docs import page_types

PAGE = """# A page

```python
import am_machine as am
import trio

machine = am.Machine({"Foo": {}})
```

Words in between.

```python
await machine.when("Foo")
with trio.move_on_after(1):
    machine.ad("Foo")
```

```python
def double(x):
    return 2 * x


machine = am.Machine({"Bar": {}}, queue_limits=3)
```
"""


def test_blocks_are_one_program_and_keep_their_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    lines = page_types.program(page).splitlines()
    for number, line in enumerate(PAGE.splitlines()[1:], 2):
        kept = lines[number - 1] if number <= len(lines) else ""
        assert kept.strip() == (line.strip() if kept else "")
    assert lines[6].strip() == 'machine = am.Machine({"Foo": {}})'


def test_a_page_without_blocks_is_no_program(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Words\n\n```console\nnox\n```\n")
    assert page_types.program(page) == ""


@pytest.mark.slow
def test_faults_are_told_by_page_and_line_and_a_page_without_is_silent(tmp_path: Path) -> None:
    wrong, right = tmp_path / "wrong.md", tmp_path / "right.md"
    wrong.write_text(PAGE)
    mended = PAGE.replace("machine.ad(", "machine.add(").replace("queue_limits", "queue_limit")
    right.write_text(mended.replace("def double(x):", "def double(x: int) -> int:"))
    told = page_types.check([wrong, right])
    places = {line.split(":")[1] for line in told}
    assert all(line.startswith(f"{wrong}:") for line in told)
    assert places == {"15", "19", "20", "23"}, "misspelt `add`, no types, a misspelt option"
