"""Paired evidence: twins that differ in one choice, trained alike and compared seed by seed."""
