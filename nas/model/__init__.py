"""A candidate as data and as a network: architecture, blocks, layout, network, cost."""

__all__ = [
    "architecture",
    "block_layers",
    "blocks",
    "cost",
    "initialisations",
    "join_layers",
    "joins",
    "layout",
    "network",
    "placements",
]
