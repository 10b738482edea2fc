"""The site is whole: every page has its place, every link its end, every name its entry."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest
from griffe import Expr, GriffeLoader, ModulesCollection, load_extensions

from docs.site import check, features, schemas, texts
from docs.site.assemble import AstrayError, Layout, assemble, entry, place
from docs.site.docstrings import Docstrings
from docs.site.inner import INNER
from docs.site.names import public_names
from docs.site.private_bases import PrivateBases
from docs.site.sources import LAYERS, ROOT, pages, sections
from docs.site.table import holes, table
from docs.site.usage import used

VARIABLE = re.compile(r"""["'](AM_[A-Z]+(?:_[A-Z]+)*)["']""")


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the site is built from."""
    folder = tmp_path_factory.mktemp("site") / "source"
    assemble(folder)
    return folder


@pytest.fixture(scope="module")
def known() -> ModulesCollection:
    """The packages as the reference reads them."""
    loader = GriffeLoader(
        extensions=load_extensions(PrivateBases, Docstrings),
        search_paths=[ROOT / "packages" / f"am-{layer}" / "src" for layer in LAYERS],
    )
    for layer in LAYERS:
        loader.load(f"am_{layer}")
    return loader.modules_collection


def test_every_page_of_the_tree_has_one_place_on_the_site(laid_out: Path) -> None:
    placed = [path for group in sections(ROOT).values() for path in group]
    assert sorted(placed) == pages(ROOT)
    for page in placed:
        assert (laid_out / "docs" / place(page)).is_file(), page
    build = tomllib.loads((laid_out / "zensical.toml").read_text())
    groups = [one for group in build["project"]["nav"] for one in group.values()]
    entries = [one for group in groups for one in group]
    led_to = {one if isinstance(one, str) else next(iter(one.values())) for one in entries}
    assert {str(place(page)) for page in placed} <= led_to


def test_the_navigation_leaves_out_what_neighbours_have_in_common() -> None:
    path = "examples/fsm/index.md"
    assert entry("Examples", "fsm: a classic state machine", path) == {"fsm": path}
    assert entry("Cookbook", "Recipes: ends and tests", path) == {"Ends and tests": path}
    assert entry("Manual", "Errors: who fails, and how", path) == path


def test_a_package_s_page_begins_with_what_the_package_is(laid_out: Path) -> None:
    pages = laid_out / "docs/packages"
    machine, rpc = (
        (pages / name / "index.md").read_text().splitlines()[2] for name in ("am-machine", "am-rpc")
    )
    assert re.fullmatch(
        r"Version [\d.]+ · the bottom layer · .*? · \[what you may rely on\]\(\S+\)", machine
    )
    assert " · on am-helpers and am-machine · " in rpc
    assert "`ws`" in rpc.split(" · ")[2]


def test_links_of_the_site_lead_to_its_own_files(laid_out: Path) -> None:
    for page in sorted((laid_out / "docs").rglob("*.md")):
        prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)#\s]+)", prose):
            if "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).is_file(), f"{page}: {target}"


def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path) -> None:
    layout = Layout(ROOT, tmp_path)
    with pytest.raises(AstrayError, match=r"docs/faq\.md: nowhere\.md"):
        layout.adapted(Path("docs/faq.md"), "[there](nowhere.md)")
    kept = "```text\n[there](nowhere.md)\n```"
    assert layout.adapted(Path("docs/faq.md"), kept) == kept


def test_the_reference_has_every_public_name_once(laid_out: Path) -> None:
    told = [
        name
        for layer in LAYERS
        for name in re.findall(
            r"^::: (\S+)$",
            (laid_out / f"docs/docs/reference/am-{layer}.md").read_text(),
            flags=re.MULTILINE,
        )
    ]
    assert sorted(told) == sorted(name.path for name in public_names())
    assert {"am_machine.Machine", "am_rpc.Mux", "am_helpers.testing.Guard"} <= {*told}
    listed = (laid_out / "docs/docs/reference/index.md").read_text()
    assert all(f"[`{name}`](" in listed for name in told)


def test_the_list_of_names_tells_what_is_at_work_where() -> None:
    rows = dict(re.findall(r"^\| `(\S+)` \| .*? \| (\S*) ?.*\|$", table(), flags=re.MULTILINE))
    assert rows["am_machine.Machine"].startswith("[")
    assert {name for name, page in rows.items() if not page.startswith("[")} == {*holes()}


def test_each_public_name_is_at_work_somewhere() -> None:
    # A new name needs a block or an example that uses it.
    assert holes() == []


def test_each_feature_is_seen_somewhere() -> None:
    # So does a method, a property, a keyword.
    assert features.holes() == []


def test_features_are_methods_and_keywords_that_a_user_may_take(laid_out: Path) -> None:
    paths = {feature.path for feature in features.features()}
    assert {"am_machine.Machine.add", "am_rpc.Mux(access=…)"} <= paths
    told = (laid_out / "docs" / features.PAGE).read_text()
    assert all(f"| `{path}` |" in told for path in paths)
    # Records list their fields elsewhere, enums and errors have none, handlers are the machine's.
    assert "am_rpc.Limits(args=…)" not in paths
    assert "am_rpc.Server.ExceptionState" not in paths


def test_members_that_are_no_features_are_there_and_called_and_not_on_the_reference(
    laid_out: Path,
) -> None:
    read: set[str] = set()
    for path in ROOT.glob("packages/*/src/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                read.add(node.attr)
            elif isinstance(node, ast.Constant):
                read.add(str(node.value))  # by getattr
    listed = {name.path for name in public_names()}
    for owner, members in INNER.items():
        assert owner in listed
        module, _, name = owner.rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        page = laid_out / f"docs/docs/reference/{module.partition('.')[0]}.md".replace("_", "-")
        (hidden,) = re.findall(
            rf"^::: {re.escape(owner)}\n(    options:\n      filters: .*)?$",
            page.read_text(),
            flags=re.MULTILINE,
        )
        for member in members.split():
            if member.endswith("="):
                assert member.rstrip("=") in inspect.signature(cls).parameters
            else:
                found = inspect.getattr_static(cls, member)
                assert callable(getattr(cls, member)) or isinstance(found, property)
                assert member in read, f"nobody calls {owner}.{member}"
                assert re.search(rf"[(|]{member}[|)]", hidden)


def canonical(base: str | Expr) -> str:
    """The path of a base as the reader of sources writes it."""
    return base if isinstance(base, str) else base.canonical_path


def test_members_of_private_bases_are_the_public_class_s_own(known: ModulesCollection) -> None:
    paths = {feature.path for feature in features.features()}
    assert {"am_machine.BaseMachine.when", "am_rpc.Client.net", "am_rpc.Limits.replace"} <= paths
    # Of two public classes, the one nearer to the base; its inner members are left out of both.
    assert not {"am_machine.Machine.when", "am_machine.BaseMachine.let_go"} & paths
    classes = [known[name.path] for name in public_names() if name.kind != "value"]
    classes = [one for one in classes if one.is_class]
    seen = {one.canonical_path for one in classes}
    for one in classes:
        for base in map(canonical, one.bases):
            of_ours = base.partition(".")[0] in {f"am_{layer}" for layer in LAYERS}
            assert not of_ours or known[base].canonical_path in seen, (one.path, base)
    told = {f"{one.path}.{member}" for one in classes for member in one.members}
    assert {path for path in paths if "(" not in path} <= told
    assert [str(base) for base in known["am_machine.Machine"].bases] == ["BaseMachine"]
    assert [str(base) for base in known["am_rpc.NetworkMachine"].bases] == ["am.BaseMachine"]


def test_arguments_and_errors_are_lists_however_a_docstring_tells_of_them(
    known: ModulesCollection, laid_out: Path
) -> None:
    def kinds(path: str) -> set[str]:
        docstring = known[path].docstring
        assert docstring is not None
        return {section.kind.value for section in docstring.parsed}

    assert kinds("am_rpc.Mux") == {"text", "parameters", "raises"}
    assert kinds("am_node.Client.work") >= {"text", "raises"}
    client = known["am_node.Client"].docstring
    assert client is not None
    (told,) = [part.value for part in client.parsed if part.kind.value == "parameters"]
    texts = {parameter.name: parameter.description for parameter in told}
    assert texts["secret"] == texts["ssl_context"] != ""  # told of together
    # Of what a page is asked for by name, the style is not found out.
    page = (laid_out / "docs/docs/reference/am-rpc.md").read_text()
    assert re.search(r"^::: am_rpc\.Mux\n    options:\n.*docstring_style: google$", page, re.M)


def test_an_option_says_what_it_is_for(known: ModulesCollection) -> None:
    for name, option in known["am_rpc.Limits"].members.items():
        if option.is_attribute and not name.startswith("_"):
            assert option.docstring is not None, name
    told = known["am_rpc.Limits.message"].docstring
    assert told is not None
    assert told.value == "Largest message a server accepts. Unit: bytes."
    assert str(known["am_rpc.Limits.close"].value) == "3.0"


def test_what_overrides_a_public_member_is_no_feature_of_its_own() -> None:
    paths = {feature.path for feature in features.features()}
    assert "am_machine.Tracer.handler_end" in paths
    assert "am_helpers.Watchdog.handler_end" not in paths
    assert "am_rpc.TrafficMeter.send_all" not in paths  # trio's


def test_a_name_is_used_where_it_is_imported_read_or_given_to_a_command(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport am_helpers.testing as t\nt.assert_is\n```\n"
        "```python\nfrom am_machine import Time as T\nawait run()\nam.Journal\n```\n"
        "```console\n$ am-node --discovery am_node:StaticList\n```\n"
    )
    # `run` and `am` are anything; an assertion belongs to the front page, where it is first.
    assert used(page) == {"am_helpers.assert_is", "am_machine.Time", "am_node.StaticList"}


def test_texts_of_the_docs_hold_every_page(tmp_path: Path) -> None:
    texts.write(ROOT, tmp_path)
    index = (tmp_path / "llms.txt").read_text()
    whole = (tmp_path / "llms-full.txt").read_text()
    for page in pages(ROOT):
        assert f"({place(page).with_suffix('.html')})" in index
        assert f"<!-- {page} -->" in whole
    assert "- [am-rpc](packages/am-rpc/index.html): Transparent RPC for asyncmachine: put" in index
    mute = [line for line in index.splitlines() if line.startswith("- [") and "): " not in line]
    assert all(line.startswith("- [Changelog](") for line in mute)


def test_a_page_is_summed_up_by_its_first_sentence_of_prose() -> None:
    before = "# Title\n\n<!-- made -->\n```sh\nrun\n```\n\n| a |\n\n"
    page = f"{before}A **[state](x.md)** is so,\ne.g. hot. More.\n"
    assert texts.summary(page) == "A state is so, e.g. hot."
    assert texts.summary("# Title\n\nWhat follows:\n\n- one\n") == "What follows"
    assert texts.summary("# Title\n\n- one\n") == ""


def test_each_kind_of_fault_of_a_built_site_is_found(tmp_path: Path) -> None:
    good = '<title>One</title><h1 id="top">One</h1><a href="two.html#here">two</a>'
    (tmp_path / "one.html").write_text(good)
    (tmp_path / "two.html").write_text('<title>Two</title><p id="here"><a href="#here">up</a>')
    assert check.faults(tmp_path) == []
    (tmp_path / "two.html").write_text(
        '<img src="x.png"><a href="#gone">up</a><a href="three.html">three</a>'
        '<script src="https://elsewhere.invalid/x.js"></script><a href="https://fine.invalid">f</a>'
    )
    assert check.faults(tmp_path) == [
        "one.html: two.html#here",
        "two.html: no title",
        "two.html: a picture without text: x.png",
        "two.html: lacks x.png",
        "two.html: fetches https://elsewhere.invalid/x.js",
        "two.html: #gone",
        "two.html: three.html",
    ]
    (tmp_path / "two.html").write_text(good)
    (tmp_path / "llms.txt").write_text("- [One](one.html)\n- [Three](three.html)\n")
    assert check.faults(tmp_path) == [
        "one.html: two.html#here",
        "two.html: two.html#here",
        "llms.txt: three.html",
    ]


def test_the_page_of_variables_has_each_one_that_a_source_names() -> None:
    page = (ROOT / "docs/environment.md").read_text()
    told = {*re.findall(r"`(AM_[A-Z_]+[A-Z])`", page)}
    named = {
        name
        for path in ROOT.glob("packages/*/src/**/*.py")
        for name in VARIABLE.findall(path.read_text())
    }
    assert named - told == set()
    composed = {"AM_LOG_STEPS", "AM_LOG_GRAPH", "AM_LOG_CHECKS", "AM_LOG_QUEUED", "AM_LOG_ARGS"}
    composed |= {"AM_LOG_WHEN", "AM_LOG_STATE_CTX"}
    composed |= {f"AM_NODE_LOG_{part}" for part in ("SUPERVISOR", "WORKER", "CLIENT")}
    assert told - named == composed


def test_every_diagram_is_drawn_from_its_text_and_shown() -> None:
    folder, page = ROOT / "docs/diagrams", (ROOT / "docs/diagrams.md").read_text()
    shown = dict(re.findall(r"^!\[(.+)\]\(diagrams/([\w-]+)\.svg\)$", page, flags=re.MULTILINE))
    sources = sorted(folder.glob("*.mmd"))
    assert sorted(shown.values()) == [path.stem for path in sources]
    for source in sources:
        drawn_from = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
        for shade in ("", "-dark"):
            picture = (folder / f"{source.stem}{shade}.svg").read_text()
            assert picture.startswith(f"<!-- {drawn_from} -->\n<svg "), "nox -s diagrams"
            assert "foreignObject" not in picture


def test_schemas_are_drawn_as_they_are() -> None:
    page = schemas.PAGE.read_text()
    assert page == schemas.page(), "renew it: python -m docs.site.schemas"
    assert {"### am_rpc.ServerStates", "### am_node.SupervisorStates"} <= {*page.splitlines()}
    # What comes from a base that has no diagram is in it.
    server = page.partition("### am_rpc.ServerStates")[2].partition("###")[0]
    assert "Beside what comes from Basic and StateSource:" in server
    assert "ErrDelivery" in server


def test_a_picture_of_two_shades_is_two_pictures_on_the_site(laid_out: Path) -> None:
    page = (laid_out / "docs/docs/diagrams.md").read_text()
    assert "](diagrams/layers.svg#only-light)" in page
    assert "](diagrams/layers-dark.svg#only-dark)" in page
    assert (laid_out / "docs/docs/diagrams/layers-dark.svg").is_file()
