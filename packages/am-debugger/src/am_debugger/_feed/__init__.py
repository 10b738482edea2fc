"""What comes in over the network, and goes on to others."""
