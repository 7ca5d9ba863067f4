"""Samplers: how the parameters of the next candidate are drawn."""
