"""The report of a study: a page, Markdown, numbers, and figures in the Optuna dashboard."""

__all__ = [
    "build",
    "dashboard",
    "data",
    "deletion",
    "document",
    "finding",
    "payoff_schema",
    "status",
    "studies",
    "style",
    "trial_rows",
    "trial_text",
    "writers",
]
