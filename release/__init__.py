"""How a distribution of this tree becomes a release: `nox -s release -- am-rpc minor`."""
