"""What is handed on by `am_pubsub.testing`."""
