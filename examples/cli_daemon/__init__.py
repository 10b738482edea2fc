"""A daemon that does jobs, and a thin command line that asks for them."""
