"""One quiz per relation, answered by the machine itself."""
