"""Tables become numbers: which kind each column is, and what its cells say."""
