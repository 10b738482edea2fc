"""`python -m examples.asyncio_host`."""

from examples.asyncio_host.main import main

main()
