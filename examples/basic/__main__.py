"""`python -m examples.basic`."""

from examples.basic.main import main

main()
