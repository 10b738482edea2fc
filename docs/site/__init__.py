"""One site of all pages of the tree, and a reference of every public name: `nox -s docs`."""
