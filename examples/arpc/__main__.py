"""`python -m examples.arpc`."""

from examples.arpc.main import main

main()
