"""What every run of tests in this tree has."""

import gc


def pytest_collection_finish() -> None:
    """Have the collector look at what tests make, and no more at all that was loaded before.

    That is most there is; tests that ask for a collection, and what they make by the thousand, had
    it all looked through again and again.
    """
    gc.collect()
    gc.freeze()
