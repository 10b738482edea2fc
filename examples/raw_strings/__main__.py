"""`python -m examples.raw_strings`."""

from examples.raw_strings.main import main

main()
