"""The public surface: complete, documented, and cheap to import."""

import ast
import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import trio

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
    known = {"TYPE_CHECKING"}
    assert names - known == set(am_node.__all__) == set(dir(am_node))


def test_names_that_are_not_there_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        am_node.nothing_like_it  # noqa: B018


PROBING = """
import sys
import am_node

class Probing(am_node.Worker):
    def work(self):
        return sorted(sys.modules)
"""


def _of_rooms(rooms: tuple[str, ...], loaded: set[str]) -> set[str]:
    """Which of the loaded modules are one of these, or inside one."""
    named = tuple(f"am_node.{room}" for room in rooms)
    return {
        name for name in loaded if name in named or name.startswith(tuple(f"{n}." for n in named))
    }


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
    parts = ("_cli", "_client", "_supervisor", "_launchers", "_worker.host", "_tls")
    assert not _of_rooms(parts, loaded)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("Client", ("_supervisor", "_worker.host", "_launchers", "_boot")),
        ("Supervisor", ("_client", "_worker.host", "_worker.work_flow")),
        ("run_worker", ("_client", "_supervisor", "_launchers")),
    ],
)
def test_each_kind_of_process_loads_its_own_part(name: str, others: tuple[str, ...]) -> None:
    assert not _of_rooms(others, _loaded(f"import am_node; am_node.{name}"))


@pytest.mark.trio
async def test_a_worker_process_loads_nothing_of_clients_and_supervisors(tmp_path: Path) -> None:
    (tmp_path / "probing.py").write_text(PROBING)
    pool = am_node.Pool(min=1, max=1, warm=0)
    with trio.fail_after(30):
        async with (
            am_node.Supervisor(f"{tmp_path / 'probing.py'}:Probing", pool=pool) as sup,
            am_node.Client("cli", supers=[sup.addr]) as client,
        ):
            loaded = set(await client.work())
    assert "am_node._worker.host" in loaded
    assert not _of_rooms(("_client", "_supervisor", "_launchers", "_cli", "_shortcuts"), loaded)
    # Of am-rpc neither what people type into, nor what threads without trio use.
    theirs = ("am_rpc._repl", "am_rpc._client.blocking")
    assert not {name for name in loaded if name.startswith(theirs)}


def test_every_public_name_says_that_it_is_public() -> None:
    for name in am_node.__all__:
        assert getattr(am_node, name).__module__ == "am_node", name


def test_errors_are_pickled_by_their_public_names() -> None:
    pickled = pickle.dumps(am_node.WorkTimeout("late"), protocol=0)
    assert b"am_node\n" in pickled
    assert isinstance(pickle.loads(pickled), am_node.WorkTimeout)


def test_the_front_page_shows_type_checkers_what_is_there_at_run_time() -> None:
    page = ast.parse(Path(am_node.__file__).read_text())
    named = {
        alias.name
        for node in ast.walk(page)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert named - {"_lazy"} == set(am_node.__all__)


def test_every_error_is_one_of_the_package() -> None:
    for name in am_node.__all__:
        value = getattr(am_node, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            assert issubclass(value, am_node.NodeError), name
