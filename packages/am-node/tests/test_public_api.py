"""The public surface: complete, documented, and cheap to import."""

import inspect
import subprocess
import sys

import pytest

import am_node


@pytest.mark.parametrize("name", am_node.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(am_node, name))


def test_all_lists_every_public_name() -> None:
    names = {
        n for n, v in vars(am_node).items() if not n.startswith("_") and not inspect.ismodule(v)
    }
    assert names - {"annotations"} == set(am_node.__all__)


def test_importing_it_loads_no_command_line() -> None:
    code = "import sys, am_node; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "am_node" in loaded
    assert not {"argparse", "am_node._cli"} & loaded


def test_every_error_is_one_of_the_package() -> None:
    for name in am_node.__all__:
        value = getattr(am_node, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            assert issubclass(value, am_node.NodeError), name
