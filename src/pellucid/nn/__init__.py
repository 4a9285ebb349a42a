"""Layers, losses, metrics, initializers, regularizers."""
