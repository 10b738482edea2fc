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
    for name in am_node.__all__:
        getattr(am_node, name)
    names = {
        n for n, v in vars(am_node).items() if not n.startswith("_") and not inspect.ismodule(v)
    }
    known = {"annotations", "Any", "TYPE_CHECKING", "import_module"}
    assert names - known == set(am_node.__all__) == set(dir(am_node))


def test_names_that_are_not_there_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        am_node.nothing_like_it  # noqa: B018


def _loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has after `code`."""
    code += "\nimport sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_it_loads_what_a_worker_class_needs_and_no_more() -> None:
    loaded = _loaded("import am_node; am_node.Worker")
    assert "am_node" in loaded
    foreign = {"argparse", "asyncio", "importlib.metadata", "subprocess", "tempfile"}
    base = _loaded("import trio, msgpack")
    assert not (foreign - base) & loaded
    parts = {"_cli", "_client", "_supervisor", "_worker_host", "_memory_launcher", "_tls"}
    assert not {f"am_node.{part}" for part in parts} & loaded


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("Client", {"_supervisor", "_worker_host", "_local_launcher", "_boot"}),
        ("Supervisor", {"_client", "_worker_host", "_work_flow"}),
        ("run_worker", {"_client", "_supervisor", "_forker", "_local_launcher"}),
    ],
)
def test_each_kind_of_process_loads_its_own_part(name: str, others: set[str]) -> None:
    loaded = _loaded(f"import am_node; am_node.{name}")
    assert not {f"am_node.{other}" for other in others} & loaded


def test_every_error_is_one_of_the_package() -> None:
    for name in am_node.__all__:
        value = getattr(am_node, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            assert issubclass(value, am_node.NodeError), name
