"""Matched pairs in anybody's table: the same statistics and report as for twins."""
