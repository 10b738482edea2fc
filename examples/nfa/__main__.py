"""`python -m examples.nfa`."""

from examples.nfa.main import main

main()
