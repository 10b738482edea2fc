"""`python -m examples.tree_state_source`."""

from examples.tree_state_source.main import main

main()
