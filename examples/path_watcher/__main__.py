"""`python -m examples.path_watcher`."""

from examples.path_watcher.main import main

main()
