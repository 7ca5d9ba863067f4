"""Matched pairs in anybody's table: the same statistics and report as for twins."""

__all__ = [
    "analysis",
    "compared",
    "pairs",
    "read",
    "report",
    "text",
    "two_studies_report",
    "two_studies_text",
]
