"""`python -m examples.cli_daemon`."""

from examples.cli_daemon.main import main

main()
