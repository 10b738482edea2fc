"""`python -m examples.temporal_expense`."""

from examples.temporal_expense.main import main

main()
