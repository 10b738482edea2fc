"""What the page of comparisons measures: `nox -s compare`."""
