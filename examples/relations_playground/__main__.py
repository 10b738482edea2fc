"""`python -m examples.relations_playground`."""

from examples.relations_playground.main import main

main()
