"""`python -m examples.repl DIR`."""

from examples.repl.main import main

main()
