"""Every command tells by examples what it is for, and a shell can complete it."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

OWN = re.compile(r"am_\w+\.")
COMMANDS = sorted(
    script.name for script in entry_points(group="console_scripts") if OWN.match(script.value)
)


def run(name: str, *arguments: str) -> str:
    """What a command prints, which has to succeed."""
    program = Path(sys.executable).with_name(name)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_package_with_a_command_is_looked_at() -> None:
    assert COMMANDS == [
        "am-dbg", "am-gen", "am-history", "am-node", "am-pubsub", "am-telemetry", "arpc",
    ]  # fmt: skip


@pytest.mark.process
@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_of_the_command(name: str) -> None:
    told = run(name, "--help")
    examples = re.findall(rf"^ *(?:\w+=\S+ )?{name} .*", told, flags=re.MULTILINE)
    assert len(examples) >= 2, told


@pytest.mark.process
@pytest.mark.parametrize("name", COMMANDS)
def test_bash_takes_what_completes_a_command(name: str) -> None:
    script = run(name, "--print-completion", "bash")
    done = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p {name}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("complete ")


@pytest.mark.process
def test_bash_completes_an_option() -> None:
    script = run("am-gen", "--print-completion", "bash")
    function = re.search(r"complete .*-F (\w+) am-gen", script)
    assert function is not None
    asked = f"COMP_WORDS=(am-gen dia); COMP_CWORD=1; {function[1]}; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["diagram"], done.stderr


@pytest.mark.process
def test_the_engine_tells_what_is_installed_and_that_it_works() -> None:
    told = run(Path(sys.executable).name, "-m", "am_machine").splitlines()
    named = [line.split()[0] for line in told]
    assert {"trio", "am-machine", "am-helpers", "am-rpc", "am-debugger"} <= {*named}
    assert told[-1] == "self-check passed"
