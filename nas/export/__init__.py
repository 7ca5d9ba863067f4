"""The best architecture as one Python module that needs only torch."""
