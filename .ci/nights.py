"""Sessions that take long: the tests of the night, and those on real engines."""

from __future__ import annotations

import os

import nox
from debian import install as install_programs
from tree import (
    APART,
    ENGINES,
    LAYERS,
    LOOPBACK_ONLY,
    ROOT,
    fill,
    install,
    local,
    pytest,
    test_tools,
    tools,
)


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
        "AM_DBG_HANDS": "200",
        "AM_DBG_KEY_SIZES": "all",
        "AM_DBG_LINT_EXAMPLES": "all",
        "AM_DBG_FLOOD_MACHINES": "1000000",
        "AM_DBG_FLOOD_CONNECTIONS": "20000",
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
        "integration-tests/test_debugger_lint.py",
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
        "packages/am-debugger/tests/ui/test_random_hands.py",
        "packages/am-pubsub/tests/simulation/test_scenarios.py",
        "packages/am-pubsub/tests/gossip/test_parse.py",
        "packages/am-pubsub/tests/topic/test_conformance.py",
        "packages/am-pubsub/tests/topic/test_links.py",
        "packages/am-pubsub/tests/topic/test_topic.py",
        "integration-tests/test_pubsub_processes.py",
    )
    session.run(*pytest("nightly-sized", *patient, *sized), env=sizes)
    session.notify("examples", ["--times", "10"])
    session.notify("engines")
    session.notify("pubsub_libp2p")
    session.notify("docs", ("look",))
    session.notify("screenshots", ("--check",))


@nox.session
def pubsub_libp2p(session: nox.Session) -> None:
    """Topics over libp2p, on the real library, which compiles: needs a C compiler and GMP."""
    below = local("am-machine", "am-helpers", "am-rpc", extras=False)
    wanted = (*below, "-e", "./packages/am-pubsub[libp2p,sign,zenoh]", *test_tools("am-pubsub"))
    install(session, *wanted, pins=("-c", APART["libp2p"]))
    tests = "packages/am-pubsub/tests/topic/test_libp2p.py"
    session.run(*pytest("pubsub-libp2p", *session.posargs, tests))


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
