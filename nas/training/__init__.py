"""Training one candidate: settings, the Lightning module, checkpoints, what is measured."""

__all__ = [
    "candidate",
    "evaluation",
    "lightning",
    "metrics",
    "optimizers",
    "result",
    "schedules",
    "watchers",
    "watching",
]
