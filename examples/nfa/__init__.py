"""A nondeterministic automaton over strings of bits."""
