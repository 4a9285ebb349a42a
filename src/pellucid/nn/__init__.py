"""Layers, losses, metrics, initializers."""
