"""How a network is trained: the loop's events told to history, callbacks, progress and record."""
