"""A tape in words and formulas."""
