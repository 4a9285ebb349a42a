"""One training step, and the engines and the loop that run it."""
