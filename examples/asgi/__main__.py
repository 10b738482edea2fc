"""`python -m examples.asgi`."""

from examples.asgi.main import main

main()
