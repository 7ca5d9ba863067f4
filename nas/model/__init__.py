"""A candidate as data and as a network: architecture, blocks, layout, network, cost."""
