"""`python -m examples.benchmark_rpc`."""

from examples.benchmark_rpc.main import main

main()
