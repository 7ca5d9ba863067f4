"""The storage of studies: the only package that touches private parts of Optuna."""

__all__ = [
    "bulk_read",
    "bulk_write",
    "collecting",
    "dashboard",
    "handles",
    "locks",
    "one_objective",
    "open",
    "readable",
    "retry_storage",
    "studies",
    "tpe_split",
    "url",
]
