"""`python -m examples.gossip`."""

from examples.gossip.main import main

main()
