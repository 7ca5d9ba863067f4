"""Joins: how the shortcut and the branch of a block meet, a few lines each.

An entry is a function of the place of a block that gives the record of a module, which is called
with the outputs of shortcut and branch. Its class stands in nas/model/join_layers.py, or is one's
own. Numbers that depend on the place, as on the depth, are computed in the entry, so that an
exported module holds plain numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nas.common.registry import Registry
from nas.model.blocks import Join


@dataclass(frozen=True)
class Place:
    """Where a join stands: the channels that meet there, the number of its block in the network,
    from 0 on, and how many blocks the network has.
    """

    channels: int
    block: int
    num_blocks: int


JOINS: Registry[Callable[..., Join]] = Registry("join")


@JOINS.register("add")
def add(place: Place) -> Join:
    """The sum of x and F(x) (He et al. 2015, eq. 1)."""
    return Join("Add")
