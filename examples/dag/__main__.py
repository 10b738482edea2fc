"""`python -m examples.dag`."""

from examples.dag.main import main

main()
