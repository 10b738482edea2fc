"""`python -m examples.tui`."""

from examples.tui.main import main

main()
