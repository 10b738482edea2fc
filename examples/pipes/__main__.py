"""`python -m examples.pipes`."""

from examples.pipes.main import main

main()
