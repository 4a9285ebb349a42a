"""A table or folder becomes a trained network without a choice to make: which network, how long, how fast."""
