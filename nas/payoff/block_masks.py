"""The masks over blocks that are trained to tell which block needs its shortcut.

Every choice is made by a hash of its number, so more masks and orders go on where fewer ended.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice

from nas.model.placements import Mask
from nas.payoff.variants import Arms, deepened, with_identity, with_mask
from nas.training.candidate import Candidate

#: comparisons: random masks, and random orders in which shortcuts are added one by one
MASKS, ORDERS = "masks", "orders"


def random_masks(num_blocks: int, number: int) -> list[Mask]:
    """So many different masks, each block by a coin of its own; all there are where these are
    fewer.
    """
    drawn = (
        tuple(bool(digest(f"mask {index} {block}")[0] & 1) for block in range(num_blocks))
        for index in count()
    )
    return list(islice(distinct(drawn), min(number, 2**num_blocks)))


def distinct(masks: Iterator[Mask]) -> Iterator[Mask]:
    """Each of them once, in order."""
    seen: set[Mask] = set()
    for mask in masks:
        if mask not in seen:
            seen.add(mask)
            yield mask


def nested_masks(num_blocks: int, number: int) -> list[Mask]:
    """From no shortcut to all, one more in each, in a random order."""
    order = sorted(range(num_blocks), key=lambda block: digest(f"order {number} {block}"))
    return [
        tuple(block in order[:size] for block in range(num_blocks))
        for size in range(num_blocks + 1)
    ]


def digest(text: str) -> bytes:
    """A random number that is the same everywhere."""
    return hashlib.sha256(text.encode()).digest()


def mask_arms(base: Candidate, depth: int, masks: list[Mask]) -> Arms:
    """The deepest network of the ladder with identity shortcuts in some of its blocks; arm `101`
    has them in the first and the third.
    """
    full = with_identity(deepened(base.architecture, depth))
    arms: Arms = {}
    for mask in masks:
        twin = replace(base, architecture=with_mask(full, mask))
        arms[full.activation_order, depth, bits(mask)] = twin
    return arms


def numbers(arm: str) -> tuple[int, ...]:
    """The mask of an arm, as 1 and 0."""
    return tuple(map(int, arm))


def bits(mask: Mask) -> str:
    """The arm of a mask."""
    return "".join(str(int(has)) for has in mask)
