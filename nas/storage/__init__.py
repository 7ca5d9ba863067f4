"""The storage of studies: the only package that touches private parts of Optuna."""
