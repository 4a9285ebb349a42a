"""What a person holds: a network that is compiled, fitted, evaluated, saved and loaded."""
