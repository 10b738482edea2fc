"""Ways for bytes between peers; each knows its own library and nothing of topics."""
