"""The commands: one per user task, each thin."""

from ketapredict.cli.app import app, main

__all__ = ["app", "main"]
