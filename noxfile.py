"""Developer commands: `nox` runs every check once, `nox -l` lists the rest."""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import nox
from packaging.requirements import Requirement

nox.options.default_venv_backend = "uv|virtualenv"  # uv when present
nox.options.reuse_venv = "yes"
nox.options.sessions = ["checks"]
# uv brings certificates of its own; trust what this machine trusts instead, as pip does.
if ssl.create_default_context().cert_store_stats()["x509_ca"]:
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")
ROOT = Path(__file__).parent
sys.path.append(str(ROOT / ".ci"))
from debian import bring  # noqa: E402
from debian import install as install_programs  # noqa: E402
from lanes import Job, run_jobs  # noqa: E402

sys.path.append(str(ROOT))
from release.ranges import floor  # noqa: E402
from release.tree import Package, tag_of  # noqa: E402

DIST = ROOT / "dist"
LOCK = "constraints.txt"  # the release of everything that any session installs
REPORTS = ROOT / ".nox" / "reports"  # one junit file per pytest run, summed up by .ci/run
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Bottom first: each distribution and every sibling that may come with it.
LAYERS = {
    "am-machine": set(),
    "am-helpers": {"am-machine"},
    "am-telemetry": {"am-machine"},
    "am-rpc": {"am-machine", "am-helpers"},
    "am-node": {"am-machine", "am-helpers", "am-rpc"},
    "am-pubsub": {"am-machine", "am-helpers", "am-rpc"},
    "am-debugger": {"am-machine", "am-helpers", "am-rpc", "am-telemetry"},
}
# Packages whose tests wait for processes: they begin first, and the others yield to them.
TOUCHY = {"am-node"}
LANES = 3  # of `checks`, for two processors: tests of processes wait for most of their time
# Packages of Debian by the programs that tests need: the real servers of telemetry, of which the
# programs alone are used, what topics are compared with, and a terminal and a browser to type into.
SERVERS = {"prometheus": "prometheus", "prometheus-pushgateway": "prometheus-pushgateway"}
REGISTRIES = {"redis-server": "redis-server", "etcd": "etcd-server"}
SCREENS = {"chromium": "chromium", "tmux": "tmux"}
# Pages of the site that a browser looks at: one of each kind.
LOOKED_AT = (
    "index.html",
    "docs/cheat-sheet.html",
    "docs/manual/states.html",
    "docs/reference/index.html",
    "docs/reference/am-machine.html",
    "examples/fsm/index.html",
    "packages/am-debugger/index.html",
)
# Engines that place workers, by the programs that they consist of.
ENGINES = {
    "ssh": {"sshd": "openssh-server", "ssh": "openssh-client"},
    "slurm": {"slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "munged": "munge"},
    "ray": {},
}
# They listen on all addresses of a host: hence a network of their own, with loopback alone. Slurm
# wants one more address than that of loopback.
LOOPBACK_ONLY = 'ip link set lo up && ip address add 10.77.0.1/32 dev lo && exec "$@"'
# Not every file that others ship compiles on every Python: hence no check of the outcome.
COMPILE_INSTALLED = """
import compileall, sysconfig
compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0)
"""
SOURCES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("packages/*/src"))
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


def pytest(report: str, *args: str) -> tuple[str, ...]:
    """The command of one test run whose outcome is kept as a report."""
    return ("python", "-m", "pytest", f"--junitxml={REPORTS / report}.xml", *args)


def marked(what: str) -> tuple[str, str]:
    """Options for the tests of a kind, of those for every day."""
    options = tomllib.loads((ROOT / "pytest.toml").read_text())["pytest"]["addopts"]
    return "-m", f"{what} and {options[options.index('-m') + 1]}"


# They take as long as all others that start processes, and run beside those.
POOL_TESTS = sorted(
    str(path.relative_to(ROOT)) for path in ROOT.glob("integration-tests/test_node_*.py")
)
STEPS: dict[str, list[tuple[str, ...]]] = {
    "lint": [
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("lint-imports",),
        ("lint-imports", ".importlinter-inner.toml"),  # inside each package
    ],
    "types": [
        ("mypy", *SOURCES, "examples", ".ci", "release"),
        *(("mypy", str(path)) for path in sorted(ROOT.glob("packages/*/tests/typing_api.py"))),
        ("basedpyright",),  # sources and examples, as the build file says
        ("mypy", "-p", "docs.site"),
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
    "demo": [("python", "-m", "examples.worker_pool", "--plain")],
}


def toml(name: str) -> dict[str, Any]:
    """A package's own build file."""
    return nox.project.load_toml(ROOT / "packages" / name / "pyproject.toml")


def local(*names: str, extras: bool = True) -> list[str]:
    """Arguments that install these packages from the tree, editable; engines do not come along."""
    args = []
    for name in names:
        offered = toml(name)["project"].get("optional-dependencies", {}) if extras else {}
        known = ",".join(extra for extra in offered if extra not in ENGINES)
        args += ["-e", f"./packages/{name}[{known}]" if known else f"./packages/{name}"]
    return args


def tools(*groups: str) -> list[str]:
    """What the groups of the tree's own build file name."""
    root = nox.project.load_toml(ROOT / "pyproject.toml")
    return list(nox.project.dependency_groups(root, *groups))


def test_tools(*names: str) -> list[str]:
    """What the tests of these packages need beside the packages."""
    groups = (nox.project.dependency_groups(toml(name), "test") for name in names)
    return sorted({requirement for group in groups for requirement in group})


def install(session: nox.Session, *requirements: str, pins: tuple[str, ...] = ("-c", LOCK)) -> None:
    """Install the locked releases, those that build the packages included."""
    build = dict.fromkeys(("UV_BUILD_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), LOCK)
    session.install(*pins, *requirements, env=build)


def fill(session: nox.Session, *requirements: str) -> None:
    """Install, unless this environment holds the same already; then write bytecode.

    Bytecode is written even where PYTHONDONTWRITEBYTECODE is set: without it every worker
    process of a pool compiles all it imports, which makes its start two to three times as long.
    """
    inputs = sorted(
        [
            ROOT / LOCK,
            *ROOT.glob("packages/*/pyproject.toml"),
            *ROOT.glob("packages/*/src/*/__about__.py"),
        ]
    )
    parts = [*(path.read_bytes() for path in inputs), *(arg.encode() for arg in requirements)]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()
    stamp = Path(session.virtualenv.location, ".filled")
    if not stamp.is_file() or stamp.read_text() != digest:
        install(session, *requirements)
        session.run("python", "-c", COMPILE_INSTALLED, silent=True, log=False)
        stamp.write_text(digest)
    session.run("python", "-m", "compileall", "-q", *SOURCES, "examples", silent=True)


def fill_with_all(session: nox.Session) -> None:
    """Every package with its extras, the tools of the tree, and what any test needs."""
    fill(session, *local(*LAYERS), *tools("dev"), *test_tools(*LAYERS))


@nox.session(python=False)
def checks(session: nox.Session) -> None:
    """Each step of `dev` and the tests of each package, all once; the first failure ends it.

    Where AM_SERVERS=1 asks for it, session `observability` runs beside them, and `engines` on sshd.
    """

    def job(name: str, session: str, *args: str, **how: Any) -> Job:
        return Job(name, (sys.executable, "-m", "nox", "-s", session, "--", *args), **how)

    waiting = ("pools", "processes")
    servers = [True] if os.environ.get("AM_SERVERS") == "1" else []
    steps = [name for name in STEPS if name not in ("lint", "tests", *waiting)]
    units = [name for name in LAYERS if name not in TOUCHY]  # the longest comes first
    jobs = [
        job("lint", "dev", "lint"),  # first, since it fills the environment of the others
        *(job(name, f"unit({name})") for name in LAYERS if name in TOUCHY),
        *(job(name, "dev", name, after="lint") for name in waiting),
        *(job(name, f"unit({name})", yields=True) for name in units),
        *(job("observability", "observability") for _ in servers),
        *(job("engines", "engines", "ssh", "--short") for _ in servers),
        *(job(name, "dev", name, after="lint", yields=True) for name in steps),
    ]
    if not run_jobs(jobs, LANES):
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
def relock(session: nox.Session) -> None:
    """Take the newest releases into the lock; `-- --missing` adds only what it lacks."""
    install(session, *tools("relock"))
    new = ("--upgrade",) if "--missing" not in session.posargs else ()
    wanted = Path(session.create_tmp(), "wanted.txt")
    wanted.write_text("\n".join(sorted(all_requirements())))
    # For any platform and each supported Python; without a header, which names this machine's.
    form = ("--universal", "--python-version", PYTHONS[0], "--no-header", "--no-annotate")
    session.run("uv", "pip", "compile", *form, *new, "-q", "-o", LOCK, str(wanted), silent=True)
    lock = ROOT / LOCK
    lock.write_text(f"# What every session installs: made by `nox -s relock`.\n{lock.read_text()}")


def all_requirements() -> set[str]:
    """Whatever of others any session installs, and what builds the packages."""
    root = nox.project.load_toml(ROOT / "pyproject.toml")
    found = set(tools(*root["dependency-groups"]))
    for name in LAYERS:
        parts = toml(name)
        found |= {*test_tools(name), *parts["build-system"]["requires"]}
        found |= set(parts["project"].get("dependencies", ()))
        for extra in parts["project"].get("optional-dependencies", {}).values():
            found |= set(extra)
    return {text for text in found if Requirement(text).name not in LAYERS}


@nox.session
def demo(session: nox.Session) -> None:
    """Four workers, two clients, one worker killed; `nox -s demo -- --plain` for plain lines.

    What `AM_SERVICE` and the other switches of telemetry ask for is there as well.
    """
    others = [name for name in LAYERS if name != "am-telemetry"]
    fill(session, *local(*others, extras=False), *local("am-telemetry"), *tools("demo"))
    session.run("python", "-m", "examples.worker_pool", *session.posargs)


@nox.session
def look(session: nox.Session) -> None:
    """The debugger in this terminal, and the demo beside it, whose machines appear on the left."""
    fill(session, *local(*LAYERS), *tools("demo"))
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


@nox.session
def site(session: nox.Session) -> None:
    """One site of all pages and a reference of every public name; needs npm.

    It lies in .nox/site/built/source/site; `-- look` opens it in Chromium, and axe judges it.
    """
    fill(session, *local(*LAYERS), *tools("site"), *test_tools(*LAYERS))
    built = ROOT / ".nox" / "site" / "built"
    session.run("python", "-m", "docs.site", str(built))
    if "look" in session.posargs:
        # In a browser, as narrow as a phone and as wide as a desk; pictures to look at.
        browser = built.with_name("site-browser")
        shutil.copy(ROOT / "docs/site/browser/look.mjs", browser)
        path = path_with(SCREENS, libraries=True)
        chromium = shutil.which("chromium", path=path) or "chromium"
        where = (str(built / "source/site"), str(ROOT / ".nox/site/pictures"), chromium)
        session.run("node", str(browser / "look.mjs"), *where, *LOOKED_AT, external=True)


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
def engines(session: nox.Session) -> None:
    """Launchers on a real sshd, Slurm and Ray; `-- slurm` for one, `--short` for ten seconds each.

    Needs root, to install what is missing by the names of its packages, and to start it in a
    network of its own.
    """
    chosen = [name for name in session.posargs if not name.startswith("-")] or list(ENGINES)
    if unknown := set(chosen) - set(ENGINES):
        session.error(f"no such engine: {', '.join(unknown)}; there are {', '.join(ENGINES)}")
    if os.getuid():
        session.error("engines are installed and started by root alone")
    for name in chosen:
        install_programs(ENGINES[name], ROOT / ".nox" / "debian")
    below = local("am-machine", "am-helpers", "am-rpc", extras=False)
    node = "./packages/am-node[ray]" if "ray" in chosen else "./packages/am-node"
    fill(session, *below, "-e", node, *test_tools("am-node"), *tools("demo"))
    env = {"AM_ENGINES": ",".join(chosen), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    if "--short" in session.posargs:
        env["AM_ENGINES_CHAOS"] = "10"
    command = pytest("engines", "-m", "engines", "-o", "faulthandler_timeout=600", "-rA")
    alone = ("unshare", "--net", "sh", "-c", LOOPBACK_ONLY, "sh")
    session.run(*alone, *command, "integration-tests/engines", env=env, external=True)


def path_with(programs: dict[str, str], *, libraries: bool = False) -> str:
    """The search path of programs, with those of Debian's that this machine lacks."""
    folders = bring(programs, ROOT / ".nox" / "debian", libraries=libraries)
    return os.pathsep.join([os.environ["PATH"], *folders])


@nox.session
@nox.parametrize("package", list(LAYERS), ids=list(LAYERS))
def unit(session: nox.Session, package: str) -> None:
    """The tests of one package, beside its own dependencies and nothing else of ours."""
    below = [name for name in LAYERS if name in LAYERS[package]]
    fill(session, *local(*below, extras=False), *local(package), *test_tools(package))
    python = Path(str(session.python or "")).name  # set by session `pythons`
    session.run(*pytest(f"unit-{package}-{python}", f"packages/{package}/tests", *session.posargs))


@nox.session
def nightly(session: nox.Session) -> None:
    """The tests that take minutes each: long chaos, long idling, many seeds."""
    fill(session, *local(*LAYERS), *tools("dev", "nightly"), *test_tools(*LAYERS))
    places = (*(f"packages/{name}/tests" for name in LAYERS), "integration-tests")
    patient = ("-o", "faulthandler_timeout=3600", *session.posargs)
    long = {"AM_DBG_SOAK_SECONDS": "1800"}
    session.run(*pytest("nightly", "-m", "nightly", *patient, *places), env=long)
    # The same tests as every day, at the size of a night.
    sizes = {
        "AM_GATE_CASES": "20000",
        "AM_INJECT_STEP": "1",
        "AM_LAW_CASES": "20000",
        "AM_RPC_SEEDS": "20",
        "AM_RPC_CALLS": "20000",
        "AM_RPC_CLIENTS": "1000",
        "AM_RPC_IN_FLIGHT": "49900",
        "AM_RPC_PARSE_CASES": "20000",
        "AM_RPC_CONNECTIONS": "4096",
        "AM_RPC_HARMED_UPDATES": "1000000",
        "AM_DBG_FUZZ_CASES": "1000000",
        "AM_DBG_QUERY_CASES": "50000",
        "AM_DBG_TEST_CASES": "50",
        "AM_DBG_KEY_SIZES": "all",
        "AM_DBG_LINT_EXAMPLES": "all",
        "AM_DBGUI_FLOOD_MACHINES": "1000000",
        "AM_DBGUI_FLOOD_CONNECTIONS": "20000",
        "AM_TELEMETRY_TIMES": "20",
        "AM_THREAD_SECONDS": "30",
        "AM_PUBSUB_SEEDS": "20",
        "AM_PUBSUB_FUZZ_CASES": "100000",
        "AM_PUBSUB_KILLS_SECONDS": "600",
        "AM_PUBSUB_CYCLES": "1000",
        "AM_PUBSUB_GARBAGE": "1000",
        "AM_PUBSUB_ROUNDS": "20",
    }
    engine = ("gate", "injection", "laws", "thread_readers")
    sized = (
        *(f"packages/am-machine/tests/test_{name}.py" for name in engine),
        "integration-tests/test_rpc_bulk.py",
        "integration-tests/test_rpc_faults.py",
        "packages/am-rpc/tests/server/test_pressure.py",
        "packages/am-rpc/tests/wire/test_parse_gate.py",
        *(
            f"packages/am-telemetry/tests/{name}.py"
            for name in (
                "dbg/test_codec",
                "dbg/test_feed",
                "dbg/test_outbox",
                "traces/test_replicas",
                "traces/test_stories",
            )
        ),
        "packages/am-debugger/tests/cli/test_run_commands.py",
        "packages/am-debugger/tests/derive/test_query.py",
        "packages/am-debugger/tests/feed/test_hostile.py",
        "packages/am-debugger/tests/ui/test_every_action.py",
        "packages/am-pubsub/tests/simulation/test_scenarios.py",
        "packages/am-pubsub/tests/gossip/test_parse.py",
        "packages/am-pubsub/tests/topic/test_conformance.py",
        "packages/am-pubsub/tests/topic/test_links.py",
        "packages/am-pubsub/tests/topic/test_topic.py",
        "integration-tests/test_pubsub_processes.py",
    )
    session.run(*pytest("nightly-sized", *patient, *sized), env=sizes)
    session.notify("engines")


@nox.session
def chaos(session: nox.Session) -> None:
    """Workers of a pool killed at random under load; shorter with `-- --seconds 10 --seeds 1`."""
    fill(session, *local(*LAYERS, extras=False))
    session.run("python", "packages/am-node/chaos", *session.posargs)


@nox.session
def idle(session: nox.Session) -> None:
    """A pool left alone for twenty minutes, or for as many seconds as AM_NODE_IDLE says."""
    fill(session, *local(*LAYERS, extras=False), *test_tools(*LAYERS))
    patient = ("-m", "nightly", "-o", "faulthandler_timeout=7200", *session.posargs)
    session.run(*pytest("idle", *patient, "integration-tests/test_node_idle.py"))


@nox.session
def shuffled(session: nox.Session) -> None:
    """The tests of am-node twenty times, in another random order each; `-- 3` for fewer."""
    fill(session, *local(*LAYERS), *test_tools(*LAYERS), *tools("shuffled"))
    for seed in range(int(session.posargs[0]) if session.posargs else 20):
        order = f"--randomly-seed={seed}"
        session.run(*pytest(f"shuffled-{seed}", order, "packages/am-node/tests"))


@nox.session(python=False)
def pythons(session: nox.Session) -> None:
    """Session `unit` on each supported Python that this machine has."""
    found = {version: find_python(version) for version in PYTHONS}
    for version, python in found.items():
        session.log(f"Python {version}: {python or 'not found'}")
    if not any(found.values()):
        session.error(f"none of Python {', '.join(PYTHONS)} was found")
    for version, python in found.items():
        if python:
            place = ("--force-python", python, "--envdir", str(ROOT / ".nox" / f"python{version}"))
            command = (sys.executable, "-m", "nox", "-x", "-s", "unit", *place)
            session.run(*command, "--", *session.posargs, external=True)


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
def bench(session: nox.Session) -> None:
    """The engine beside other state machines, in one run; `-- --write` renews its page.

    `-- --against COMMIT` compares it with itself as it was at that commit instead.
    """
    fill(session, *local("am-machine"), *test_tools("am-machine"), *tools("bench", "build"))
    compares = any(word.startswith("--against") for word in session.posargs)
    script = "against" if compares else "report.py"
    session.run("python", f"packages/am-machine/benchmarks/{script}", *session.posargs)


@nox.session
def bench_growth(session: nox.Session) -> None:
    """How costs grow with size; fails where a curve bends. `-- --only C3 C8` measures some."""
    fill(session, *local("am-machine", "am-rpc", extras=False), *local("am-helpers"))
    command = ("python", "packages/am-machine/benchmarks/growth", *session.posargs)
    # The same hashes of strings, so that runs can be compared.
    session.run(*command, env={"PYTHONHASHSEED": "0"})


@nox.session
def bench_rpc(session: nox.Session) -> None:
    """Round trips, bytes and many clients of am-rpc, beside a bare echo and gRPC."""
    packages = local("am-machine", "am-helpers", "am-rpc", extras=False)
    fill(session, *packages, *tools("bench-rpc"))
    for script in sorted(ROOT.glob("packages/am-rpc/bench/bench_*.py")):
        session.run("python", str(script.relative_to(ROOT)))


@nox.session
def bench_node(session: nox.Session) -> None:
    """Start, memory, latency and throughput of a pool, beside an executor and dask.distributed."""
    packages = local("am-machine", "am-helpers", "am-rpc", "am-node", extras=False)
    fill(session, *packages, *tools("bench-node"))
    session.run("python", "packages/am-node/benchmarks/pool.py")
    session.run("python", "packages/am-node/benchmarks/compare.py", *session.posargs)


@nox.session
def sim_pubsub(session: nox.Session) -> None:
    """Topics of many peers in virtual time, with goals; `-- --seeds 20 --peers 1000` for more."""
    fill(session, *local("am-machine", "am-helpers", "am-rpc", "am-pubsub", extras=False))
    session.run("python", "packages/am-pubsub/benchmarks/simulate.py", *session.posargs)


@nox.session
def bench_pubsub(session: nox.Session) -> None:
    """How soon five processes see what a sixth one does, over TCP and over TLS."""
    packages = local("am-machine", "am-helpers", "am-rpc", "am-pubsub", extras=False)
    fill(session, *packages, *test_tools("am-pubsub"))
    session.run("python", "packages/am-pubsub/benchmarks/latency.py")
    session.run("python", "packages/am-pubsub/benchmarks/latency.py", "--tls")


@nox.session
def compare_pubsub(session: nox.Session) -> None:
    """A topic beside zenoh, redis and etcd as registries; `-- --write` renews its page."""
    packages = local("am-machine", "am-helpers", "am-rpc", extras=False)
    fill(session, *packages, *local("am-pubsub"), *tools("compare-pubsub"))
    env = {"PATH": path_with(REGISTRIES, libraries=True)}
    session.run("python", "packages/am-pubsub/benchmarks/compare.py", *session.posargs, env=env)


@nox.session
def chart_pubsub(session: nox.Session) -> None:
    """Draw how topics of 10 to 1,000 peers converge, into the package's docs."""
    fill(session, *local("am-machine", "am-helpers", "am-rpc", "am-pubsub", extras=False))
    session.run("python", "packages/am-pubsub/benchmarks/chart.py", *session.posargs)


@nox.session
def bench_telemetry(session: nox.Session) -> None:
    """What listening costs, in one run; `-- --only connected` for some rows."""
    fill(session, *local("am-machine", extras=False), *local("am-telemetry"))
    session.run("python", "packages/am-telemetry/benchmarks", *session.posargs)


@nox.session
def bench_debugger(session: nox.Session) -> None:
    """What the debugger takes, in one run; smaller with `-- --transitions 20000 --keys 10`."""
    others = ("am-machine", "am-helpers", "am-rpc", "am-telemetry")
    fill(session, *local(*others, extras=False), *local("am-debugger"))
    session.run("python", "packages/am-debugger/benchmarks", *session.posargs)


@nox.session
def screenshots(session: nox.Session) -> None:
    """Pictures of the debugger, for its pages; `-- --check` says whether they are as it looks."""
    others = ("am-machine", "am-helpers", "am-rpc", "am-telemetry")
    fill(session, *local(*others, extras=False), *local("am-debugger"), *test_tools("am-debugger"))
    how = "check" if "--check" in session.posargs else "write"
    command = pytest("screenshots", "packages/am-debugger/tests/ui/test_scenes.py")
    session.run(*command, env={"AM_SCREENSHOTS": how})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Harmed input against am-rpc, guided by atheris where it installs; see its `__main__.py`."""
    fill(session, *local("am-machine", "am-helpers", extras=False), *local("am-rpc"))
    try:
        install(session, "--only-binary=:all:", *tools("fuzz"))
    except nox.command.CommandFailed:
        session.log("No atheris for this Python or platform: the guided part is skipped.")
    corpus = os.environ.get("AM_RPC_FUZZ_CORPUS", str(ROOT / ".nox" / "fuzz-corpus"))
    session.run("python", "packages/am-rpc/fuzz", env={"AM_RPC_FUZZ_CORPUS": corpus})


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


@nox.session
def build(session: nox.Session) -> None:
    """One sdist and one wheel per package, into dist/."""
    install(session, *tools("build"))
    for old in DIST.glob("*"):
        old.unlink()
    for name in LAYERS:
        args = ("-m", "build", "-n", "-o", str(DIST), f"packages/{name}")
        session.run("python", *args, silent=True)


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
    below = [next(DIST.glob(f"{name.replace('-', '_')}-*.whl")) for name in LAYERS[package]]
    source = next(DIST.glob(f"{package.replace('-', '_')}-*.tar.gz"))
    extras = ",".join(toml(package)["project"].get("optional-dependencies", {}))
    install(session, *map(str, below), f"{source}[{extras}]", *test_tools(package))
    # Not the session's own folder for such things: what lies below it is too long for a socket.
    folder = Path(session.virtualenv.location, "unpacked")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.unpack_archive(source, folder, filter="data")
    with session.chdir(folder / source.name.removesuffix(".tar.gz")):
        session.run("python", "-m", "pytest", "tests", *session.posargs)


@nox.session
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
            shutil.rmtree(copy, ignore_errors=True)
            archive = folder / f"{name}.tar"
            paths = (f"packages/{name}", "pytest.toml")
            session.run("git", "archive", "-o", str(archive), tag, *paths, external=True)
            shutil.unpack_archive(archive, copy, filter="data")
            places.append(copy / "packages" / name)
        else:
            session.log(f"{tag} was not released: {name} as it is in the tree")
            places.append(packages / name)
    # The tools of the tests are those of the lock; what the packages need is what is in question.
    install(session, *test_tools(package))
    extras = ",".join(toml(package)["project"].get("optional-dependencies", {}))
    editable = [arg for place in places for arg in ("-e", str(place))]
    wanted = (*editable, "-e", f"{packages / package}[{extras}]")
    install(session, *wanted, *lowest(package), pins=("--resolution", "lowest-direct"))
    session.run("python", "-m", "pytest", f"packages/{package}/tests", *session.posargs)


def lowest(package: str) -> list[str]:
    """Whatever of others a package needs, so that lower releases replace installed ones."""
    needs = Package(ROOT / "packages" / package).needs(extras=True)
    return [str(need) for need in needs if need.name not in LAYERS]


@nox.session(requires=["build"], reuse_venv=False)
@nox.parametrize("layer", list(LAYERS), ids=list(LAYERS))
def wheels(session: nox.Session, layer: str) -> None:
    """Install one built layer alone; only the layers below may come along."""
    pins = Path(session.create_tmp(), "siblings.txt").absolute()
    found = {name: next(DIST.glob(f"{name.replace('-', '_')}-*.whl")) for name in LAYERS}
    # File URLs, so that an index can never supply a sibling.
    pins.write_text("".join(f"{name} @ {wheel.as_uri()}\n" for name, wheel in found.items()))
    install(session, "-c", str(pins), layer)
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    names = set(str(session.run("python", "-c", code, silent=True)).split())
    extra = (names & set(LAYERS)) - {layer}
    if extra != LAYERS[layer]:
        session.error(f"pulled {sorted(extra)}, expected {sorted(LAYERS[layer])}")
    session.run("python", "-W", "error", "-c", f"import {layer.replace('-', '_')}")
    if layer == "am-telemetry":
        session.run("python", "-W", "error", "packages/am-telemetry/benchmarks/bare.py")
