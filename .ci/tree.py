"""The tree as its sessions see it: its packages, what they need, where reports go."""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import nox
from debian import bring

ROOT = Path(__file__).parent.parent
LOCK = "constraints.txt"  # the release of everything that any session installs
REPORTS = ROOT / ".nox" / "reports"  # one junit file per pytest run, summed up by .ci/run
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
SCREENS = {"chromium": "chromium", "tmux": "tmux"}
# Engines that place workers, by the programs that they consist of.
ENGINES = {
    "ssh": {"sshd": "openssh-server", "ssh": "openssh-client"},
    "slurm": {"slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "munged": "munge"},
    "ray": {},
}
# Extras that a session of their own installs, by a lock of their own: they compile, and need older
# releases of what the rest needs as well.
APART = {"libp2p": "constraints-libp2p.txt"}
# Engines listen on all addresses of a host: hence a network of their own, with loopback alone.
# Slurm wants one more address than that.
LOOPBACK_ONLY = 'ip link set lo up && ip address add 10.77.0.1/32 dev lo && exec "$@"'
# Whatever a session starts may keep bytecode: most of what a test run takes until its first test is
# to compile test modules and plugins, and several runs begin with the same ones.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Step `types` and tests that start mypy, in whichever environment, look at the same packages: what
# one of them found holds for the others, as mypy knows a file by its contents, not by its place.
os.environ.setdefault("MYPY_CACHE_DIR", str(ROOT / ".mypy_cache"))
SOURCES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("packages/*/src"))


def pytest(report: str, *args: str) -> tuple[str, ...]:
    """The command of one test run whose outcome is kept as a report."""
    return ("python", "-m", "pytest", f"--junitxml={REPORTS / report}.xml", *args)


def marked(what: str) -> tuple[str, str]:
    """Options for the tests of a kind, of those for every day."""
    options = tomllib.loads((ROOT / "pytest.toml").read_text())["pytest"]["addopts"]
    return "-m", f"{what} and {options[options.index('-m') + 1]}"


def toml(name: str) -> dict[str, Any]:
    """A package's own build file."""
    return nox.project.load_toml(ROOT / "packages" / name / "pyproject.toml")


def offered(name: str) -> dict[str, list[str]]:
    """What the extras of a package need, but for those that are installed apart from the rest."""
    extras = toml(name)["project"].get("optional-dependencies", {})
    return {extra: needs for extra, needs in extras.items() if extra not in APART}


def local(*names: str, extras: bool = True) -> list[str]:
    """Arguments that install these packages from the tree, editable; engines do not come along."""
    args = []
    for name in names:
        known = ",".join(extra for extra in offered(name) if extras and extra not in ENGINES)
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


def only_installs(session: nox.Session) -> bool:
    """Whether `--install-only` was given, with which nox leaves out what a session runs: what a
    session does itself is then to be left out as well."""
    return session.run(sys.executable, "-c", "", external=True, silent=True, log=False) is None


def write_bytecode(session: nox.Session) -> None:
    """Compile all that is installed.

    Without bytecode the first processes that tests start, several at a time, compile all they
    import, which makes their start two to three times as long.
    """
    others = map(str, ROOT.glob(".nox/*/lib/python*/site-packages"))
    script = str(ROOT / ".ci" / "bytecode.py")
    session.run_install("python", script, *others, silent=True, log=False)


def fill(session: nox.Session, *requirements: str) -> None:
    """Install, unless this environment holds the same already; then write bytecode."""
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
        # From a file: what stands on its command line uv takes for changed. So it would build the
        # packages of the tree anew for each environment, which takes longer than all the rest.
        listed = stamp.with_name("requirements.txt")
        listed.write_text("\n".join(requirements).replace("-e\n", "-e ") + "\n")
        install(session, "-r", str(listed))
        write_bytecode(session)
        stamp.write_text(digest)
    session.run("python", "-m", "compileall", "-q", *SOURCES, "examples", silent=True)


def fill_with_all(session: nox.Session) -> None:
    """Every package with its extras, the tools of the tree, and what any test needs."""
    fill(session, *local(*LAYERS), *tools("dev"), *test_tools(*LAYERS))


def path_with(programs: dict[str, str], *, libraries: bool = False) -> str:
    """The search path of programs, with those of Debian's that this machine lacks."""
    folders = bring(programs, ROOT / ".nox" / "debian", libraries=libraries)
    return os.pathsep.join([os.environ["PATH"], *folders])
