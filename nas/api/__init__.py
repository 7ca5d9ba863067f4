"""What a Python program calls: the verbs of the command line as functions, and what they return."""

__all__ = ["comparison", "outcome", "runs", "studies"]
