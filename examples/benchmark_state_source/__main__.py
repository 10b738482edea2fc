"""`python -m examples.benchmark_state_source`."""

from examples.benchmark_state_source.main import main

main()
