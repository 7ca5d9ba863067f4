"""A report as a web page, as Markdown, as data files, and in the Optuna dashboard."""
