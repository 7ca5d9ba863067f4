"""Placements: which blocks have their shortcut, a line or two each.

An entry is a function of the number of blocks and of its options that says yes or no for each
block, from input to output. A new placement is one entry here, or in a module of one's own.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from nas.common.errors import shown
from nas.common.registry import Registry
from nas.model.architecture import Named

#: whether each block has its shortcut
Mask = tuple[bool, ...]

#: None in place of a mask: every block has a choice of its own
PLACEMENTS: Registry[Callable[..., Sequence[bool] | None]] = Registry("placement")


@PLACEMENTS.register("all")
def every_block(num_blocks: int) -> Sequence[bool]:
    """Every block has its shortcut."""
    return [True] * num_blocks


@PLACEMENTS.register("none")
def no_block(num_blocks: int) -> Sequence[bool]:
    """No block has one: the plain network."""
    return [False] * num_blocks


@PLACEMENTS.register("every", later=("first",))
def every(num_blocks: int, *, step: int = 2, first: int = 0) -> Sequence[bool]:
    """Every second block, or every step-th one, the first of them after step - 1 blocks without.

    step: the distance of blocks with a shortcut.
    first: the number of the first one, from 1 on, where it is another; of blocks of two units,
    {step: 2, first: 1} are the first units and {step: 2} the second ones.
    """
    at_least(step, 1, "step")
    at_least(first, 0, "first")
    start = (first or step) - 1
    return [block >= start and (block - start) % step == 0 for block in range(num_blocks)]


@PLACEMENTS.register("first")
def first(num_blocks: int, *, blocks: int = 1) -> Sequence[bool]:
    """The first blocks, next to the input.

    blocks: how many of them have their shortcut.
    """
    return [block < blocks for block in range(num_blocks)]


@PLACEMENTS.register("last")
def last(num_blocks: int, *, blocks: int = 1) -> Sequence[bool]:
    """The last blocks, next to the output.

    blocks: how many of them have their shortcut.
    """
    return [block >= num_blocks - blocks for block in range(num_blocks)]


@PLACEMENTS.register("first_half")
def first_half(num_blocks: int) -> Sequence[bool]:
    """The first half of the blocks; of an odd number the larger one."""
    return first(num_blocks, blocks=(num_blocks + 1) // 2)


@PLACEMENTS.register("last_half")
def last_half(num_blocks: int) -> Sequence[bool]:
    """The last half of the blocks; of an odd number the larger one."""
    return last(num_blocks, blocks=(num_blocks + 1) // 2)


@PLACEMENTS.register("random")
def random(num_blocks: int, *, share: float = 0.5, seed: int = 0) -> Sequence[bool]:
    """A random share of the blocks, the same wherever it is drawn.

    share: of the blocks, rounded to whole ones.
    seed: which of the random choices.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie between 0 and 1, found {share:g}.")

    def rank(block: int) -> bytes:
        return hashlib.sha256(f"placement {seed} {block}".encode()).digest()

    chosen = set(sorted(range(num_blocks), key=rank)[: round(share * num_blocks)])
    return [block in chosen for block in range(num_blocks)]


@PLACEMENTS.register("per_block")
def per_block(num_blocks: int) -> Sequence[bool] | None:
    """One free choice for each block: among the kinds where shortcut is a list, else yes or no."""
    return None


def at_least(value: int, low: int, option: str) -> None:
    """ValueError for an option below its smallest value."""
    if value < low:
        raise ValueError(f"{option} must be at least {low}, found {value}.")


def mask_of(placement: Named, num_blocks: int) -> Mask | None:
    """Which of so many blocks have their shortcut; None where each has a choice of its own.
    ValueError where the placement does not say so for each.
    """
    found: Any = PLACEMENTS[placement.name](num_blocks, **placement.arguments)
    if found is None:
        return None
    mask = tuple(map(bool, found))
    if len(mask) != num_blocks:
        raise ValueError(
            f"placement {placement} must say yes or no for each of {num_blocks} blocks, found "
            f"{shown(found)}."
        )
    return mask
