"""`python -m examples.fsm`."""

from examples.fsm.main import main

main()
