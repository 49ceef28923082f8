"""The command ``mutua``."""

from mutua.cli.main import app, main, run

__all__ = ["app", "main", "run"]
