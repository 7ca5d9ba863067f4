"""Stratified subsets that stay the same on every machine and in every version."""

import numpy as np

TEST_FRACTION = 0.2  # of a data set that comes without a test split
MIXING_SEED = 1  # of the order in which training pictures are measured


def stratified(labels: np.ndarray, count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of `count` pictures with the classes in proportion, and of the rest, both ascending.

    numpy promises never to change RandomState's stream, which it does not for its newer generators.
    """
    order = np.random.RandomState(seed).permutation(len(labels))
    quota = _quota(np.bincount(labels), count)
    chosen = [order[labels[order] == label][:share] for label, share in enumerate(quota)]
    taken = np.zeros(len(labels), dtype=bool)
    taken[np.concatenate(chosen)] = True
    return np.flatnonzero(taken), np.flatnonzero(~taken)


def mixed(count: int) -> np.ndarray:
    """The numbers 0 to count - 1 in an order that is random and always the same.

    What is measured on the first of a split's pictures is then measured on all its classes, also
    where files are sorted by class.
    """
    return np.random.RandomState(MIXING_SEED).permutation(count)


def held_out_test(labels: np.ndarray, split: str, count: int | None = None) -> np.ndarray:
    """Indices of the "train" or "test" part of pictures published without a test split."""
    if count is None:
        count = round(TEST_FRACTION * len(labels))
    test, train = stratified(labels, count, seed=0)
    return test if split == "test" else train


def _quota(counts: np.ndarray, total: int) -> np.ndarray:
    """`total` divided over the classes in proportion to `counts`, by largest remainder."""
    exact = counts * total / counts.sum()
    quota = np.floor(exact).astype(np.int64)
    largest_first = np.argsort(quota - exact, kind="stable")
    quota[largest_first[: total - quota.sum()]] += 1
    return quota
