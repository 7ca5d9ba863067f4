"""Pruners: which trials stop early, which are paused, and which of the paused ones go on."""
