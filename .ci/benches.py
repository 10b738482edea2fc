"""Sessions that measure: what things cost, beside what a user might take instead."""

from __future__ import annotations

import os

import nox
from debian import install as install_programs
from tree import ENGINES, LOOPBACK_ONLY, ROOT, fill, local, path_with, test_tools, tools

REGISTRIES = {"redis-server": "redis-server", "etcd": "etcd-server"}


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
def bench_examples(session: nox.Session) -> None:
    """The benchmarks among the examples in full; tables and charts lie in `.nox/results`."""
    fill(session, *local("am-machine", "am-helpers", "am-rpc", extras=False), *tools("examples"))
    results = ROOT / ".nox" / "results"
    state_source = ("--seconds", "10", "--write", str(results))
    session.run("python", "-m", "examples.benchmark_state_source", *state_source)
    rpc = ("--rounds", "10000", "--write", str(results / "rpc.md"))
    session.run("python", "-m", "examples.benchmark_rpc", *rpc)


@nox.session
def bench_node(session: nox.Session) -> None:
    """Start, memory, latency and throughput of a pool, beside an executor and dask.distributed.

    `-- --write` renews both tables of its page; other options are the second program's.
    """
    packages = local("am-machine", "am-helpers", "am-rpc", "am-node", extras=False)
    fill(session, *packages, *tools("bench-node"))
    write = [word for word in session.posargs if word == "--write"]
    session.run("python", "packages/am-node/benchmarks/pool.py", *write)
    session.run("python", "packages/am-node/benchmarks/compare.py", *session.posargs)


@nox.session
def scaling(session: nox.Session) -> None:
    """What one supervisor carries, and what a map over very many takes; `-- --write` renews."""
    fill(session, *local("am-machine", "am-helpers", "am-rpc", "am-node", extras=False))
    write = [word for word in session.posargs if word == "--write"]
    many = ("packages/am-node/benchmarks/many.py", "--tasks", "1000000")
    session.run("python", *many, *write)
    session.run("python", "packages/am-node/benchmarks/scaling.py", *session.posargs)


@nox.session
def compare_pools(session: nox.Session) -> None:
    """Pools on a real Slurm and Ray beside what these offer; `-- --write` renews its page.

    Needs root, as session `engines` does.
    """
    if os.getuid():
        session.error("engines are installed and started by root alone")
    install_programs(ENGINES["slurm"], ROOT / ".nox" / "debian")
    below = local("am-machine", "am-helpers", "am-rpc", extras=False)
    fill(session, *below, "-e", "./packages/am-node[ray]", *test_tools("am-node"))
    env = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    alone = ("unshare", "--net", "sh", "-c", LOOPBACK_ONLY, "sh")
    script = ("python", "packages/am-node/benchmarks/compare_pools.py")
    session.run(*alone, *script, *session.posargs, env=env, external=True)


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
def compare(session: nox.Session) -> None:
    """Turnstiles, pools and an expense beside other libraries; `-- --write` renews the page."""
    packages = local("am-machine", "am-helpers", "am-rpc", "am-node", extras=False)
    fill(session, *packages, *tools("compare"))
    # Ray listens on all addresses of a host: where that is possible, in a network of its own.
    alone = ("unshare", "--net", "sh", "-c", LOOPBACK_ONLY, "sh") if not os.getuid() else ()
    command = ("python", "-m", "docs.compare", *session.posargs)
    session.run(*alone, *command, external=bool(alone))


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
