"""`python -m examples.temporal_fileprocessing`."""

from examples.temporal_fileprocessing.main import main

main()
