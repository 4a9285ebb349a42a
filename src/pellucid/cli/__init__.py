"""The commands. Each reads what a person typed, calls the library, and prints; nothing is computed here."""

from pellucid.cli import steps, training
from pellucid.cli.app import app, main, run

__all__ = ["app", "main", "run", "steps", "training"]
