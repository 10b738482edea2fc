"""`python -m examples.mach_template`."""

from examples.mach_template.main import main

main()
