"""Sessions that make distributions, and try them as strangers will."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

import nox
from packaging.requirements import Requirement
from tree import (
    LAYERS,
    LOCK,
    ROOT,
    fill,
    install,
    local,
    offered,
    only_installs,
    test_tools,
    toml,
    tools,
    write_bytecode,
)

from release.printed import installing, paths_and_names
from release.ranges import floor
from release.tree import Package, tag_of

DIST = ROOT / "dist"


def wheel_of(name: str) -> Path:
    """The wheel that `build` made of a package."""
    return next(DIST.glob(f"{name.replace('-', '_')}-*.whl"))


@nox.session
def build(session: nox.Session) -> None:
    """One sdist and one wheel per package, into dist/."""
    install(session, *tools("build"))
    for old in DIST.glob("*"):
        old.unlink()
    # Even where sessions only install: those that need these files install them.
    run = session.run_install if only_installs(session) else session.run
    for name in LAYERS:
        args = ("-m", "build", "-n", "-o", str(DIST), f"packages/{name}")
        run("python", *args, silent=True)


@nox.session(requires=["build"])
def artifacts(session: nox.Session) -> None:
    """What twine, pyroma and check-wheel-contents say of each file that `build` made."""
    fill(session, *tools("release"))
    session.run("python", "-m", "release.checks", *sorted(map(str, DIST.iterdir())))


@nox.session
def release(session: nox.Session) -> None:
    """Make a release: `-- am-rpc minor`; `-- --help` tells the rest."""
    fill(session, *tools("release"))
    session.run("python", "-m", "release", *session.posargs)


@nox.session(requires=["build"])
@nox.parametrize("package", list(LAYERS), ids=list(LAYERS))
def sdists(session: nox.Session, package: str) -> None:
    """The tests of one package as a stranger runs them: in its unpacked source distribution."""
    below = [wheel_of(name) for name in LAYERS[package]]
    source = next(DIST.glob(f"{package.replace('-', '_')}-*.tar.gz"))
    extras = ",".join(offered(package))
    install(session, *map(str, below), f"{source}[{extras}]", *test_tools(package))
    write_bytecode(session)
    # Not the session's own folder for such things: what lies below it is too long for a socket.
    folder = Path(session.virtualenv.location, "unpacked")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.unpack_archive(source, folder, filter="data")
    with session.chdir(folder / source.name.removesuffix(".tar.gz")):
        session.run("python", "-m", "pytest", "tests", *session.posargs)


@nox.session(reuse_venv=False)
@nox.parametrize("package", list(LAYERS), ids=list(LAYERS))
def floors(session: nox.Session, package: str) -> None:
    """The tests of one package beside the lowest releases that it says it works with.

    Siblings are those of the tags that its ranges begin at, as far as these were released.
    """
    packages = ROOT / "packages"
    folder = Path(session.virtualenv.location, "tagged")
    folder.mkdir(exist_ok=True)
    places: list[Path] = []
    for name in LAYERS[package]:
        low = floor(Package(packages / package), name) or Package(packages / name).version
        tag = tag_of(name, low)
        if session.run_install("git", "tag", "--list", tag, external=True, silent=True):
            copy = folder / name
            archive = folder / f"{name}.tar"
            paths = (f"packages/{name}", "pytest.toml")
            session.run("git", "archive", "-o", str(archive), tag, *paths, external=True)
            shutil.unpack_archive(archive, copy, filter="data")
            places.append(copy / "packages" / name)
        else:
            session.log(f"{tag} was not released: {name} as it is in the tree")
            places.append(packages / name)
    needs = lowest(package)
    extras = ",".join(offered(package))
    editable = [arg for place in places for arg in ("-e", str(place))]
    wanted = (*editable, "-e", f"{packages / package}[{extras}]", *map(str, needs))
    pins = Path(session.virtualenv.location, "tools.txt")
    tools_of_tests = test_tools(package)
    pins.write_text(locked(tools_of_tests, besides={need.name for need in needs}))
    # At once, and into nothing: a release that is there already is kept if it is allowed.
    how = ("--resolution", "lowest-direct", "-c", str(pins))
    install(session, *wanted, *tools_of_tests, pins=how)
    write_bytecode(session)
    names = [need.name for need in needs]
    code = "import sys; from importlib.metadata import version as v; "
    code += "print(*(f'{name} {v(name)}' for name in sys.argv[1:]), sep=', ')"
    session.run("python", "-c", code, *names)
    session.run("python", "-m", "pytest", f"packages/{package}/tests", *session.posargs)


def lowest(package: str) -> list[Requirement]:
    """Whatever of others a package needs, and the layers below, asked for directly."""
    found = [*Package(ROOT / "packages" / package).needs()]
    found += [Requirement(text) for texts in offered(package).values() for text in texts]
    for name in LAYERS[package]:
        found += Package(ROOT / "packages" / name).needs()
    needs: dict[str, Requirement] = {}
    for need in found:
        if need.name in LAYERS:
            continue
        if need.name in needs:
            need.specifier &= needs[need.name].specifier
        needs[need.name] = need
    return [needs[name] for name in sorted(needs)]


def locked(requirements: list[str], *, besides: set[str]) -> str:
    """The lines of the lock for these, as what tries a package out is not in question."""
    names = {Requirement(text).name for text in requirements} - besides
    lines = (ROOT / LOCK).read_text().splitlines()
    chosen = [line for line in lines if not line.startswith("#") and line.split("=")[0] in names]
    return "".join(f"{line}\n" for line in chosen)


@nox.session(requires=["build"], reuse_venv=False)
@nox.parametrize("layer", list(LAYERS), ids=list(LAYERS))
def wheels(session: nox.Session, layer: str) -> None:
    """Install one built layer alone; only the layers below may come along."""
    pins = Path(session.create_tmp(), "siblings.txt").absolute()
    # File URLs, so that an index can never supply a sibling.
    pins.write_text("".join(f"{name} @ {wheel_of(name).as_uri()}\n" for name in LAYERS))
    install(session, "-c", str(pins), layer)
    if only_installs(session):
        return
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    names = set(str(session.run("python", "-c", code, silent=True)).split())
    extra = (names & set(LAYERS)) - {layer}
    if extra != LAYERS[layer]:
        session.error(f"pulled {sorted(extra)}, expected {sorted(LAYERS[layer])}")
    session.run("python", "-W", "error", "-c", f"import {layer.replace('-', '_')}")
    for command in toml(layer)["project"].get("scripts", {}):
        # Where it needs an extra for anything at all, it has to tell that.
        told = session.run(command, "--help", silent=True, success_codes=(0, 2))
        if not re.search("(?i)exit codes|examples:|pip install", str(told)):
            session.error(f"{command} --help says:\n{told}")
    if layer == "am-telemetry":
        session.run("python", "-W", "error", "packages/am-telemetry/benchmarks/bare.py")


@nox.session(requires=["build"], reuse_venv=False)
@nox.parametrize("page", [*LAYERS, "README"], ids=[*LAYERS, "README"])
def readmes(session: nox.Session, page: str) -> None:
    """A README as strangers follow it: wheels in place of the tree's paths, and nothing beside."""
    path = ROOT / ("README.md" if page == "README" else f"packages/{page}/README.md")
    wanted: list[str] = []
    for command in installing(path.read_text()):
        for printed in paths_and_names(command, LAYERS)[0]:
            need = Requirement(printed.removeprefix("./packages/"))
            extras = f"[{','.join(sorted(need.extras))}]" if need.extras else ""
            wanted.append(f"{need.name}{extras} @ {wheel_of(need.name).as_uri()}")
    install(session, *wanted)
    with tempfile.TemporaryDirectory() as folder:  # far from the tree, and its name is short
        follow = ("-m", "release.readmes", str(path), folder, session.bin)
        session.run(sys.executable, *follow, external=True)


@nox.session(requires=["build"])
def commands(session: nox.Session) -> None:
    """Every command from wheels, and what completes it in a shell; `python -m am_machine`."""
    extras = {"am-helpers": "completion", "am-telemetry": "completion", "am-rpc": "repl"}
    wanted = [
        f"{name}[{extras[name]}] @ {wheel_of(name).as_uri()}" if name in extras else wheel_of(name)
        for name in LAYERS
    ]
    install(session, *map(str, wanted), "pytest")
    test = ROOT / "integration-tests" / "test_command_lines.py"
    with tempfile.TemporaryDirectory() as folder:  # nothing of the tree is beside it
        alone = Path(shutil.copy(test, folder))
        shutil.copy(ROOT / "pytest.toml", folder)
        with session.chdir(folder):
            session.run("python", "-m", "pytest", alone.name, *session.posargs)


@nox.session
def matrix(session: nox.Session) -> None:
    """Install and import each combination of two made-up releases that the pins allow."""
    fill(session, *local(*LAYERS), *tools("release", "relock"))
    session.run("python", "-m", "release.matrix")
