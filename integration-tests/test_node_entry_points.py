"""Entry points that cannot be used: what a user of the command line gets to read, and when."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

WITHIN = 6.0
PATIENCE = 60.0
WORKER = "\nimport am_node\nclass W(am_node.Worker):\n    def work(self): return 1\n"
# What the module does when it is imported, options of the command, and the reason to be told.
BAD = {
    "hangs": ("import time\ntime.sleep(1000)", [], r"no report within 5 s .* the import of bad:W"),
    "hangs and ignores signals": (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(1000)",
        [], r"no report within 5 s .* the import of bad:W",
    ),
    "floods stdout": (
        "while True: print('x' * 999)", [], r"no report within 5 s .* \(flooded stdout\)",
    ),
    "floods stderr": (
        "import sys\nwhile True: print('x' * 999, file=sys.stderr)",
        [], r"no report within 5 s .* \(flooded stderr; x+\)",
    ),
    "floods without end of line": (
        "import os\nwhile True: os.write(1, b'x' * 9999)",
        [], r"no report within 5 s .* \(flooded stdout\)",
    ),
    "allocates without bound": (
        "x = []\nwhile True: x.append(bytearray(10**7))",
        ["--memory", "500"], r"exit code 70: am_node: importing bad failed: MemoryError: ?",
    ),
    "opens files without bound": (
        "x = []\nwhile True: x.append(open('/dev/null'))",
        ["--files", "50"], r"exit code 70: .* OSError: .* Too many open files.*",
    ),
    # Told by the limit alone: on a busy machine a second of processor time may take longer than the
    # report, which therefore has time.
    "computes without end": (
        "while True: pass",
        ["--cpu", "1", "--conn-timeout", str(PATIENCE)], r"ended by SIG(XCPU|KILL).*",
    ),
    "forks, and the original ends": (
        "import os, sys, time\nif os.fork() == 0: time.sleep(1000)\nsys.exit(3)",
        [], r"exit code 3",
    ),
    "forks, and both go on": (
        f"import os\nos.fork(){WORKER}",
        [], r"ended by SIGABRT: am_node: importing bad:W forked a copy of the worker",
    ),
}  # fmt: skip


# What no worker will ever import: the command says so and ends by itself.
FINAL = {
    "fails": ("raise RuntimeError('no luck')", r"RuntimeError: no luck"),
    "has a fault in its text": ("def (:", r"SyntaxError: .*"),
    "imports what is not there": ("import no_such_module", r"ModuleNotFoundError: .*"),
    "has no such class": ("class V: pass", r"bad has no class W"),
    "has another class": ("class W: pass", r"bad:W is not a subclass of am_node.Worker"),
}


@contextmanager
def _supervisor(folder: Path, *options: str, code: int = 0) -> Iterator[Callable[[], str]]:
    """Run the command in a folder; gives what reads the next line of its output.

    `code` is what it is to exit with: if that is not 0, without being asked to.
    """
    command = [sys.executable, "-m", "am_node", "supervisor", "bad:W", "--workers", "1",
               "--addr", "127.0.0.1:0", *options]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    timer = subprocess.Popen([sys.executable, "-c", _GUARD, str(process.pid)])
    try:
        yield process.stdout.readline
    finally:
        timer.kill()
        timer.wait()
        if not code:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == code
        process.stdout.close()


_GUARD = "import os, sys, time; time.sleep(30); os.kill(int(sys.argv[1]), 9)"


@pytest.mark.slow
@pytest.mark.parametrize("way", BAD)
def test_an_entry_point_that_cannot_be_used_is_one_line_with_its_reason(
    tmp_path: Path, way: str
) -> None:
    code, options, reason = BAD[way]
    (tmp_path / "bad.py").write_text(code + "\n")
    with _supervisor(tmp_path, *options) as line:
        assert "listens on" in line()
        began = time.monotonic()
        told = line()
        assert time.monotonic() - began <= (PATIENCE if "--cpu" in options else WITHIN)
    assert re.fullmatch(rf"WARNING am_node worker nw-W-\S+: {reason}\n", told), told


@pytest.mark.slow
@pytest.mark.parametrize("way", FINAL)
def test_a_class_that_nobody_can_import_ends_the_command_after_one_line(
    tmp_path: Path, way: str
) -> None:
    code, reason = FINAL[way]
    (tmp_path / "bad.py").write_text(code + "\n")
    with _supervisor(tmp_path, "--conn-timeout", str(PATIENCE), code=70) as line:
        assert "listens on" in line()
        told = line()
        assert line() == ""
    pattern = rf"ERROR am_node worker nw-W-\S+: exit code 78: am_node: .*{reason}\n"
    assert re.fullmatch(pattern, told), told


@pytest.mark.slow
def test_a_child_that_left_the_group_and_holds_the_pipes_delays_nothing(tmp_path: Path) -> None:
    code = """\
        import os, sys, time
        if os.fork() == 0:
            os.setsid()
            with open("escaped", "w") as file:
                file.write(str(os.getpid()))
            time.sleep(1000)
        while not os.path.exists("escaped"):
            time.sleep(0.01)
        sys.exit(3)
        """
    (tmp_path / "bad.py").write_text(textwrap.dedent(code))
    with _supervisor(tmp_path) as line:
        line()
        began = time.monotonic()
        told = line()
        assert time.monotonic() - began <= WITHIN
    escaped = int((tmp_path / "escaped").read_text())
    os.kill(escaped, signal.SIGKILL)
    assert told.endswith("exit code 3\n")
