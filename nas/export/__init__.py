"""The best architecture as one Python module that needs only torch."""

__all__ = ["network", "retrain"]
