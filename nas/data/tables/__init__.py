"""Tables: rows of features, read, split, encoded on the training split, and cut into batches."""

__all__ = ["encoding", "module", "sources"]
