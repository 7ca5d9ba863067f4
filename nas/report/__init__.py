"""The report of a study: a page, Markdown, numbers, and figures in the Optuna dashboard."""
