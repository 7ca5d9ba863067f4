"""Paired evidence: twins that differ in one choice, trained alike and compared seed by seed."""

__all__ = [
    "after_training",
    "analysis",
    "answers",
    "block_masks",
    "budgeted",
    "contrasts",
    "equal_loss_words",
    "gain_maps",
    "headline",
    "hurdles",
    "preview",
    "primary",
    "rate_words",
    "records",
    "rival_gains",
    "rival_words",
    "run",
    "text",
    "variants",
    "verdict",
]
