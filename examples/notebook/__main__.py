"""`python -m examples.notebook`."""

from examples.notebook.main import main

main()
