"""Developer commands: `nox` runs every check once, `nox -l` lists the rest.

The checks are here. Sessions that measure, that take a night, and that make distributions are in
`.ci`, where `tree` tells them all what there is.
"""

import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.options.default_venv_backend = "uv|virtualenv"  # uv when present
nox.options.reuse_venv = "yes"
nox.options.sessions = ["checks"]
# uv brings certificates of its own; trust what this machine trusts instead, as pip does.
if ssl.create_default_context().cert_store_stats()["x509_ca"]:
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")
sys.path += [str(Path(__file__).parent / ".ci"), str(Path(__file__).parent)]
import benches  # noqa: E402, F401
import distributions  # noqa: E402, F401
import nights  # noqa: E402, F401
from lanes import Job, run_jobs  # noqa: E402
from tree import (  # noqa: E402
    APART,
    LAYERS,
    LOCK,
    ROOT,
    SCREENS,
    SOURCES,
    fill,
    fill_with_all,
    install,
    local,
    marked,
    offered,
    only_installs,
    path_with,
    pytest,
    test_tools,
    toml,
    tools,
)

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PER_PYTHON = {"unit", "wheels", "commands", "readmes"}  # what `pythons` may be asked for
# The jobs of `checks` as they begin, those for which there is room first: what takes longest comes
# first, so that it is not left to run alone at the end; lint before that, for it fills the
# environment of the steps of `dev`. Tests that wait come early, for something has to compute then.
ORDER = (
    "lint",
    "am-machine",
    "am-node",
    "am-debugger",
    "processes",
    "pools",
    "integration",
    "observability",
    "engines",
    "am-telemetry",
    "types",
    "am-helpers",
    "am-rpc",
    "am-pubsub",
)
# What waits for processes, and looks at the clock: all others yield the processors to these.
TOUCHY = {"lint", "am-node", "processes", "pools", "integration", "observability", "engines"}
# Of `checks`, for two processors: tests of processes wait for half of their time, and what yields
# computes meanwhile. More than two of the first kind at a time would wait for each other.
LANES, FIRM = 4, 2
# Packages of Debian by the programs that tests need: the real servers of telemetry, of which the
# programs alone are used, what topics are compared with, and a terminal and a browser to type into.
SERVERS = {"prometheus": "prometheus", "prometheus-pushgateway": "prometheus-pushgateway"}
# Pages of the site that a browser looks at: one of each kind.
LOOKED_AT = (
    "index.html",
    "docs/cheat-sheet.html",
    "docs/comparison.html",
    "docs/cookbook/index.html",
    "docs/cookbook/tasks.html",
    "docs/diagrams.html",
    "docs/manual/states.html",
    "docs/operations.html",
    "docs/reference/index.html",
    "docs/reference/am-machine.html",
    "examples/fsm/index.html",
    "packages/am-debugger/index.html",
)
PAGES = [
    str(path.relative_to(ROOT))
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "packages/*/*.md",
        "packages/*/docs/**/*.md",
        "examples/**/*.md",
    )
    for path in sorted(ROOT.glob(pattern))
]
# The wire protocol of am-rpc: values in, values out.
SANS_IO = (
    "_value",
    "_wire/auth",
    "_wire/codec",
    "_wire/handshake_messages",
    "_wire/messages",
    "_wire/mutation_messages",
    "_wire/parse",
    "_wire/protocol",
    "_wire/server_messages",
)
SANS_IO_TESTS = ("auth", "codec", "protocol", "wire_vectors")
# They take as long as all others that start processes, and run beside those.
POOL_TESTS = sorted(
    str(path.relative_to(ROOT)) for path in ROOT.glob("integration-tests/test_node_*.py")
)
# Uses of the public names of the engine, as users write them.
TYPING_API = "packages/am-machine/tests/typing_api.py"
STEPS: dict[str, list[tuple[str, ...]]] = {
    "lint": [
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("lint-imports",),
        ("lint-imports", ".importlinter-inner.toml"),  # inside each package
        ("codespell", *PAGES, *SOURCES, "docs", "examples"),
    ],
    "types": [
        ("mypy", *SOURCES, "examples", ".ci", "release", TYPING_API),
        ("basedpyright",),  # sources and examples, as the build file says
        ("mypy", "-p", "docs.site", "-p", "docs.compare"),  # with what the run before has found
        ("python", "-m", "docs.page_types", *PAGES),
    ],
    "tests": [pytest("tests", *(f"packages/{name}/tests" for name in LAYERS))],
    "integration": [pytest("integration", *marked("not process"), "integration-tests", "examples")],
    "pools": [pytest("pools", *marked("process"), *POOL_TESTS)],
    "processes": [
        pytest(
            "processes",
            *marked("process"),
            *(f"--ignore={path}" for path in POOL_TESTS),
            "integration-tests",
            "examples",
        )
    ],
    "docs": [pytest("docs", "-p", "docs.snippets", *PAGES)],
}


@nox.session(python=False)
def checks(session: nox.Session) -> None:
    """Each step of `dev` and the tests of each package, all once; the first failure ends it.

    Where AM_SERVERS=1 asks for it, session `observability` runs beside them, and `engines` on sshd.
    """

    def job(name: str, *how: str) -> Job:
        after = "lint" if how[0] == "dev" and name != "lint" else ""
        command = (sys.executable, "-m", "nox", "-s", how[0], "--", *how[1:])
        return Job(name, command, after=after, yields=name not in TOUCHY)

    jobs = [job(name, "dev", name) for name in STEPS if name != "tests"]
    jobs += [job(name, f"unit({name})") for name in LAYERS]
    if os.environ.get("AM_SERVERS") == "1":
        jobs += [job("observability", "observability"), job("engines", "engines", "ssh", "--short")]
    places = {name: place for place, name in enumerate(ORDER)}
    jobs.sort(key=lambda job: places.get(job.name, len(places)))
    if not only_installs(session) and not run_jobs(jobs, LANES, FIRM):
        session.error("not all checks passed")


@nox.session
def dev(session: nox.Session) -> None:
    """All checks in one environment; `nox -s dev -- lint tests` picks some."""
    fill_with_all(session)
    steps = session.posargs or list(STEPS)
    if unknown := set(steps) - set(STEPS):
        session.error(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}")
    env = {"PATH": path_with(SCREENS, libraries=True)} if {"pools", "processes"} & {*steps} else {}
    for step in steps:
        for command in STEPS[step]:
            session.run(*command, env=env)


@nox.session
def examples(session: nox.Session) -> None:
    """Every example: its tests, its programs, its page; `-- --times 10` for so many rounds.

    What only computes runs five times as often, beside what starts processes.
    """
    fill_with_all(session)
    python = shutil.which("python", path=session.bin) or "python"
    times = int(session.posargs[-1]) if session.posargs else 1
    places = ("examples", "integration-tests/test_examples.py")

    def job(kind: str, number: int) -> Job:
        name = f"examples-{kind.replace(' ', '-')}-{number}"
        command = (python, *pytest(name, *marked(kind), *places)[1:])
        return Job(name, command, yields=kind != "process")

    rounds = [job("process", number) for number in range(times)]
    rounds += [job("not process", number) for number in range(times if times == 1 else 5 * times)]
    if not only_installs(session) and not run_jobs(rounds, LANES, FIRM):
        session.error("an example does not do what its page says")


@nox.session
def relock(session: nox.Session) -> None:
    """Take the newest releases into the locks; `-- --missing` adds only what they lack."""
    install(session, *tools("relock"))
    new = ("--upgrade",) if "--missing" not in session.posargs else ()
    wanted = Path(session.create_tmp(), "wanted.txt")
    # For any platform and each supported Python; without a header, which names this machine's.
    form = ("--universal", "--python-version", PYTHONS[0], "--no-header", "--no-annotate")
    locks = [(LOCK, "every session installs", all_requirements())]
    locks += [(APART[one], f"comes with {one}", apart_requirements(one)) for one in APART]
    for name, what, needs in locks:
        wanted.write_text("\n".join(sorted(needs)))
        session.run("uv", "pip", "compile", *form, *new, "-q", "-o", name, str(wanted), silent=True)
        lock = ROOT / name
        lock.write_text(f"# What {what}: made by `nox -s relock`.\n{lock.read_text()}")


def all_requirements() -> set[str]:
    """Whatever of others any session installs, and what builds the packages."""
    root = nox.project.load_toml(ROOT / "pyproject.toml")
    listed = {*tools(*root["dependency-groups"])}.union(*map(requirements, LAYERS))
    return {text for text in listed if Requirement(text).name not in LAYERS}


def apart_requirements(extra: str) -> set[str]:
    """Whatever of others the session of an extra installs that is installed apart."""
    found: set[str] = set()
    for name in LAYERS:
        needs = toml(name)["project"].get("optional-dependencies", {}).get(extra)
        if needs:
            found.update(needs, *map(requirements, (name, *LAYERS[name])))
    return {text for text in found if Requirement(text).name not in LAYERS}


def requirements(name: str) -> set[str]:
    """What a package needs: to be built, to run, with its extras, and for its tests."""
    parts = toml(name)
    found = {*test_tools(name), *parts["build-system"]["requires"]}
    return found.union(parts["project"].get("dependencies", ()), *offered(name).values())


@nox.session
def demo(session: nox.Session) -> None:
    """Four workers, two clients, one worker killed; `nox -s demo -- --plain` for plain lines.

    What `AM_SERVICE` and the other switches of telemetry ask for is there as well, and what the
    launcher needs that `--launcher` names.
    """
    others = [name for name in LAYERS if name not in ("am-node", "am-telemetry")]
    extras = toml("am-node")["project"]["optional-dependencies"]
    named = ",".join(extra for extra in extras if extra in session.posargs)
    node = f"./packages/am-node[{named}]" if named else "./packages/am-node"
    parts = (*local(*others, extras=False), "-e", node, *local("am-telemetry"))
    fill(session, *parts, *tools("demo"))
    session.run("python", "-m", "examples.worker_pool", *session.posargs)


@nox.session
def look(session: nox.Session) -> None:
    """The debugger in this terminal, and the demo beside it, whose machines appear on the left."""
    fill(session, *local(*LAYERS), *tools("demo"))
    if only_installs(session):
        return
    told = Path(session.create_tmp(), "demo.txt")
    command = [shutil.which("python", path=session.bin) or "python", "-m", "examples.worker_pool"]
    env = {**os.environ, "AM_DBG_ADDR": "1"}
    with (
        told.open("w") as output,
        subprocess.Popen([*command, "--plain"], env=env, stdout=output, stderr=output) as demo,
    ):
        try:
            session.run("am-dbg", *session.posargs)
        finally:
            demo.terminate()
    session.log(f"What the demo printed: {told}")


@nox.session(name="docs")
def site(session: nox.Session) -> None:
    """One site of all pages and a reference of every public name; needs npm.

    It lies in .nox/site/built/source/site; `-- look` opens it in Chromium, and axe judges it.
    """
    fill(session, *local(*LAYERS), *tools("site"), *test_tools(*LAYERS))
    built = ROOT / ".nox" / "site" / "built"
    session.run("python", "-m", "docs.site", str(built))
    if "look" in session.posargs and not only_installs(session):
        # In a browser, as narrow as a phone and as wide as a desk; pictures to look at.
        browser = built.with_name("site-browser")
        shutil.copy(ROOT / "docs/site/browser/look.mjs", browser)
        path = path_with(SCREENS, libraries=True)
        chromium = shutil.which("chromium", path=path) or "chromium"
        where = (str(built / "source/site"), str(ROOT / ".nox/site/pictures"), chromium)
        session.run("node", str(browser / "look.mjs"), *where, *LOOKED_AT, external=True)


@nox.session(python=False)
def links(session: nox.Session) -> None:
    """Links of the pages to other sites: do they still lead somewhere? Needs a network."""
    session.run(sys.executable, "-m", "docs.site.links")


@nox.session(venv_backend="none")
def diagrams(session: nox.Session) -> None:
    """Draw the diagrams of the docs anew from their texts; needs npm."""
    browser = ROOT / "docs/site/browser"
    work = Path(session.create_tmp())  # keeps node_modules out of the tree
    for name in ("package.json", "package-lock.json", "draw.mjs"):
        shutil.copy(browser / name, work / name)
    path = path_with(SCREENS, libraries=True)
    chromium = shutil.which("chromium", path=path) or "chromium"
    with session.chdir(work):
        session.run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", external=True)
        drawn = ("node_modules/mermaid/dist/mermaid.min.js", chromium, str(ROOT / "docs/diagrams"))
        session.run("node", "draw.mjs", *drawn, env={"PATH": path}, external=True)


@nox.session
def observability(session: nox.Session) -> None:
    """Telemetry against a real Prometheus, Pushgateway and OTLP collector."""
    others = [name for name in LAYERS if name != "am-telemetry"]
    needed = (*test_tools("am-telemetry"), *tools("observability"))
    fill(session, *local(*others, extras=False), *local("am-telemetry"), *needed)
    tests = sorted(map(str, ROOT.glob("integration-tests/test_observability*.py")))
    command = pytest("observability", "-m", "observability", *session.posargs, *tests)
    # The demo is run as its readers run it, by this very nox; first it gets what it needs.
    prepare = ("-m", "nox", "-s", "demo", "--install-only")
    session.run(sys.executable, *prepare, external=True, silent=True)
    env = {"PATH": path_with(SERVERS), "AM_NOX": sys.executable}
    # Asked for by name, a server that cannot be had is a failure and no reason to skip.
    session.run(*command, env={**env, **({"CI": "true"} if os.environ.get("AM_SERVERS") else {})})


@nox.session
@nox.parametrize("package", list(LAYERS), ids=list(LAYERS))
def unit(session: nox.Session, package: str) -> None:
    """The tests of one package, beside its own dependencies and nothing else of ours."""
    below = [name for name in LAYERS if name in LAYERS[package]]
    fill(session, *local(*below, extras=False), *local(package), *test_tools(package))
    python = Path(str(session.python or "")).name  # set by session `pythons`
    session.run(*pytest(f"unit-{package}-{python}", f"packages/{package}/tests", *session.posargs))


@nox.session(python=False)
def pythons(session: nox.Session) -> None:
    """Session `unit` on each supported Python that this machine has; `-- readmes`: another one."""
    args = [*session.posargs]
    what = args.pop(0) if args and args[0].split("(")[0] in PER_PYTHON else "unit"
    found = {version: find_python(version) for version in PYTHONS}
    for version, python in found.items():
        session.log(f"Python {version}: {python or 'not found'}")
    if not any(found.values()):
        session.error(f"none of Python {', '.join(PYTHONS)} was found")
    for version, python in found.items():
        if python:
            place = ("--force-python", python, "--envdir", str(ROOT / ".nox" / f"python{version}"))
            command = (sys.executable, "-m", "nox", "-x", "-s", what, *place)
            session.run(*command, "--", *args, external=True)


def find_python(version: str) -> str | None:
    """The first interpreter of this version that runs.

    A pyenv shim may be on the PATH and yet fail, since its version is not selected: the versions
    behind the shims are looked through as well.
    """
    path = os.environ["PATH"].split(os.pathsep)
    roots = [Path(folder).parent for folder in path if Path(folder).name == "shims"]
    roots.append(Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser())
    hidden = [str(folder) for root in roots for folder in sorted(root.glob("versions/*/bin"))]
    code = f"import sys; sys.exit('.'.join(map(str, sys.version_info[:2])) != {version!r})"
    for folder in [*path, *hidden]:
        python = shutil.which(f"python{version}", path=folder)
        if python and not subprocess.run([python, "-c", code], capture_output=True).returncode:
            return python
    return None


@nox.session
def coverage(session: nox.Session) -> None:
    """What of the engine its own tests run, and of the wire protocol those without any I/O."""
    below = local("am-machine", "am-helpers")
    fill(session, *below, *local("am-rpc"), *test_tools("am-rpc"), *tools("coverage"))
    limits = ("--cov=am_machine", "--cov-branch", "--cov-fail-under=95")
    session.run("pytest", "packages/am-machine/tests", *limits, *session.posargs)
    tests = [f"packages/am-rpc/tests/wire/test_{name}.py" for name in SANS_IO_TESTS]
    session.run("pytest", *tests, "--cov=am_rpc", "--cov-report=")
    rooms = ",".join(f"*/am_rpc/{name}.py" for name in SANS_IO)
    session.run("coverage", "report", f"--include={rooms}", "--fail-under=98")


@nox.session
def screenshots(session: nox.Session) -> None:
    """Pictures of the debugger, for its pages; `-- --check` says whether they are as it looks."""
    others = ("am-machine", "am-helpers", "am-rpc", "am-telemetry")
    fill(session, *local(*others, extras=False), *local("am-debugger"), *test_tools("am-debugger"))
    how = "check" if "--check" in session.posargs else "write"
    command = pytest("screenshots", "packages/am-debugger/tests/ui/test_scenes.py")
    session.run(*command, env={"AM_SCREENSHOTS": how})


@nox.session(venv_backend="none")
def mermaid(session: nox.Session) -> None:
    """Parse the golden diagrams with the real Mermaid and D2; needs Node and npm."""
    source = ROOT / "packages/am-helpers/tests/mermaid"
    work = Path(session.create_tmp())  # keeps node_modules out of the tree
    for name in ("package.json", "parse.mjs"):
        shutil.copy(source / name, work / name)
    with session.chdir(work):
        session.run("npm", "install", "--no-audit", "--no-fund", external=True, silent=True)
        golden = ROOT / "packages/am-helpers/tests/golden"
        session.run("node", "parse.mjs", str(golden), external=True)
