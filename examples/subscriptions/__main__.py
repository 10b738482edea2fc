"""`python -m examples.subscriptions`."""

from examples.subscriptions.main import main

main()
