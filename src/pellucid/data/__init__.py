"""Files and arrays become batches of numbers, and say how."""
