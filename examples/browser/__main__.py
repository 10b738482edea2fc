"""`python -m examples.browser`."""

from examples.browser.main import main

main()
