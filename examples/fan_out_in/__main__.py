"""`python -m examples.fan_out_in`."""

from examples.fan_out_in.main import main

main()
