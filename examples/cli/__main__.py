"""`python -m examples.cli`."""

from examples.cli.main import main

main()
