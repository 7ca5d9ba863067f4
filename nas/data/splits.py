"""Stratified subsets that stay the same on every machine and in every version."""

import numpy as np

TEST_FRACTION = 0.2  # of a data set that comes without a test split
MIXING_SEED = 1  # of the order in which training pictures are measured


def stratified(
    labels: np.ndarray, count: int, *, seed: int, spare: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of `count` pictures with the classes in proportion, and of the rest, both ascending.

    A class too rare for its share to be one picture gives one all the same, as long as `spare` of
    its pictures stay in the rest. numpy promises never to change RandomState's stream, which it
    does not for its newer generators.
    """
    order = np.random.RandomState(seed).permutation(len(labels))
    quota = _quota(np.bincount(labels), count, spare)
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
    """Indices of the "train" or "test" part of pictures published without a test split.

    A class of less than three pictures is left to training and validation.
    """
    if count is None:
        count = max(int((np.bincount(labels) > 2).sum()), round(TEST_FRACTION * len(labels)), 1)
    test, train = stratified(labels, count, seed=0, spare=2)
    return test if split == "test" else train


def _quota(counts: np.ndarray, total: int, spare: int) -> np.ndarray:
    """`total` divided over the classes in proportion to `counts`, by largest remainder, then moved
    from the largest classes to those that would have none."""
    exact = counts * total / counts.sum()
    quota = np.floor(exact).astype(np.int64)
    largest_first = np.argsort(quota - exact, kind="stable")
    quota[largest_first[: total - quota.sum()]] += 1
    room = np.maximum(counts - spare, 0)
    if total > room.sum():
        room = counts
    while (over := np.flatnonzero(quota > room)).size:
        quota[over[0]] -= 1
        quota[np.argmax(room - quota)] += 1
    for label in np.flatnonzero((quota == 0) & (room > 0)):
        if quota.max() > 1:
            quota[quota.argmax()] -= 1
            quota[label] = 1
    return quota
