"""Report: an `Analysis` as one HTML file that needs nothing else."""

from mutua.report.page import write_report

__all__ = ["write_report"]
