"""Worker pools: the processes of one machine, or of a Ray cluster."""
