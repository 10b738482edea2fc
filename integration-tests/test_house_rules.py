"""Rules of the house that no linter knows: documented names, closed doors, small rooms."""

import ast
import importlib
import inspect
import re
import statistics
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
# Bottom first, import name and distribution name alike but for the dash.
PACKAGES = (
    "am_machine",
    "am_helpers",
    "am_telemetry",
    "am_rpc",
    "am_node",
    "am_pubsub",
    "am_debugger",
)
MODULES = {
    package: sorted((ROOT / "packages" / package.replace("_", "-") / "src").rglob("*.py"))
    for package in PACKAGES
}
SOURCES = [path for paths in MODULES.values() for path in paths]
TESTS = sorted([*ROOT.glob("packages/*/tests/**/*.py"), *ROOT.glob("integration-tests/**/*.py")])
SCRIPTS = sorted([*ROOT.glob("*.py"), *ROOT.glob("docs/**/*.py"), *ROOT.glob("examples/**/*.py")])
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "packages/**/*.md")
    for path in ROOT.glob(pattern)
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
CEILING, MEDIAN = 800, 300  # lines of a module
SKIPPED_SHARE = 0.05  # of the blocks on all pages together


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def home(path: Path) -> str | None:
    """The package whose sources or tests a file belongs to; None for what crosses packages."""
    parts = path.relative_to(ROOT).parts
    return parts[1].replace("-", "_") if parts[0] == "packages" else None


# What they need is installed by sessions of their own.
ENGINES = {"am_node.ray", "am_pubsub.libp2p"}


def public_modules(package: str) -> Iterator[ModuleType]:
    """The package itself and each submodule that is public all the way down, but for engines."""
    yield importlib.import_module(package)
    source = ROOT / "packages" / package.replace("_", "-") / "src"
    for path in MODULES[package]:
        parts = path.relative_to(source).with_suffix("").parts
        name = ".".join(parts)
        if name not in ENGINES and not any(part.startswith("_") for part in parts):
            yield importlib.import_module(name)


def statements(block: ast.AST) -> Iterator[ast.AST]:
    """Every statement within, at any depth; expressions, nine of ten nodes, are passed over."""
    for child in ast.iter_child_nodes(block):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from statements(child)


def imports(path: Path) -> Iterator[str]:
    """Every dotted name that a file imports; `from a import b` gives `a.b`."""
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def undocumented(owner: ModuleType | type, names: Iterable[str]) -> Iterator[str]:
    """Names of classes, functions and their public members that lack a docstring.

    An overriding method may rely on the docstring of its base. Constants are passed over: what
    is written beside them is not to be had at run time.
    """
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, type):
            made_up = f"{value.__name__}("  # by dataclass, where nobody wrote any
            documented = bool(value.__doc__) and not value.__doc__.startswith(made_up)
        else:
            described = inspect.isroutine(value) or isinstance(value, property)
            documented = bool(inspect.getdoc(value)) or not described
        if not documented:
            yield f"{owner.__name__}.{name}"
        if isinstance(value, type) and value.__module__.partition(".")[0] in PACKAGES:
            yield from undocumented(value, (n for n in vars(value) if not n.startswith("_")))


def surface(module: ModuleType) -> list[str]:
    """What a module offers: what it lists, or else what it makes itself under a public name."""
    made = (n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__)
    return getattr(module, "__all__", [name for name in made if not name.startswith("_")])


@pytest.mark.parametrize("package", PACKAGES)
def test_each_public_name_has_a_docstring(package: str) -> None:
    for module in public_modules(package):
        assert inspect.getdoc(module), module.__name__
        assert list(undocumented(module, surface(module))) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_front_page_lists_all_that_it_exports(package: str) -> None:
    module = importlib.import_module(package)
    made_here = {
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", "").startswith(package) and not name.startswith("_")
    }
    assert made_here <= set(module.__all__)


def test_private_modules_are_imported_by_their_own_package_only() -> None:
    strangers = []
    for path in [*SOURCES, *TESTS, *SCRIPTS]:
        for name in imports(path):
            package, *inner = name.split(".")
            private = any(re.match(r"_(?!_)", part) for part in inner)
            if private and package in PACKAGES and package != home(path):
                strangers.append(f"{name_of(path)} imports {name}")
    assert strangers == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_lower_layer_never_names_a_higher_one(package: str) -> None:
    # But whoever awaits a machine under another loop is told where the help for that is.
    told = "am_helpers.guest"
    above = PACKAGES[PACKAGES.index(package) + 1 :]
    for path in MODULES[package]:
        words = set(re.findall(r"\bam[-_][a-z]+", path.read_text().replace(told, "")))
        assert not words & {spelt for p in above for spelt in (p, p.replace("_", "-"))}, path.name


def test_no_module_is_over_the_ceiling() -> None:
    assert [name_of(path) for path in SOURCES if lines(path) > CEILING] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_small_rooms(package: str) -> None:
    assert statistics.median(map(lines, MODULES[package])) < MEDIAN


def test_nothing_is_left_for_later() -> None:
    # Spelt so that this file does not find itself.
    later = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
    files = [*SOURCES, *TESTS, *SCRIPTS]
    assert [name_of(path) for path in files if later.search(path.read_text())] == []


def test_no_example_of_a_property_has_a_deadline() -> None:
    # Hypothesis gives each 200 ms, which a busy machine does not keep.
    files = [*TESTS, *SCRIPTS]
    drawing = [path for path in files if re.search(r"^@given\b", path.read_text(), re.MULTILINE)]
    # Each package's, and the examples', as their tests run by themselves, too.
    roots = {re.match(r"packages/[^/]+/tests|[^/]+", name_of(path)) for path in drawing}
    folders = {root[0] for root in roots if root}
    loads = re.compile(r"register_profile\(\"(\w+)\".*deadline=None.*\n.*load_profile\(\"\1\"\)")
    bare = [f for f in folders if not loads.search((ROOT / f / "conftest.py").read_text())]
    assert folders
    assert bare == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_brings_its_papers_and_its_types(package: str) -> None:
    folder = ROOT / "packages" / package.replace("_", "-")
    for paper in ("README.md", "CHANGELOG.md", "LICENSE", f"src/{package}/py.typed"):
        assert (folder / paper).is_file(), paper


def test_links_between_pages_lead_somewhere() -> None:
    astray = []
    for page in PAGES:
        prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)#\s]+)", prose):
            outside = "://" in target or target.startswith("mailto:")
            if not outside and not (page.parent / target).exists():
                astray.append(f"{name_of(page)}: {target}")
    assert astray == []


def test_few_blocks_of_the_pages_are_left_out_and_each_says_why() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    skipped = re.findall(r"^<!-- skip: next(.*?)-->", text, flags=re.MULTILINE)
    assert all(reason.strip() for reason in skipped)
    assert "<!-- skip: start" not in text, "mark blocks one by one"
    assert len(skipped) <= SKIPPED_SHARE * max(text.count("```python"), 1)


def test_ci_runs_the_very_commands_that_the_front_page_prints() -> None:
    readme, ci = ((ROOT / name).read_text() for name in ("README.md", ".ci/run"))
    commands = re.findall(r"^python3 -m venv .*nox$", readme, flags=re.MULTILINE)
    assert len(commands) == 1
    assert commands[0] in ci


def test_both_type_checkers_look_at_the_sources_of_every_package() -> None:
    # The one gets them from the tree; of the other's patterns those that match nothing pass.
    wanted = {f"packages/{package.replace('_', '-')}/src" for package in PACKAGES}
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["basedpyright"]
    assert wanted <= {*table["include"]}
    assert all((ROOT / folder).is_dir() for folder in table["include"])


def test_news_is_named_by_a_number_or_is_an_orphan() -> None:
    # Else the changelog takes the name of the file for the number of an issue.
    news = ROOT.glob("packages/*/newsfragments/*.md")
    named = [path.name for path in news if not re.match(r"\+|\d+\.", path.name)]
    assert named == []
