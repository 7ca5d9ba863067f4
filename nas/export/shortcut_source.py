"""Shortcuts that all blocks of a network can make by one function of their shape."""

from collections.abc import Iterable
from dataclasses import fields, replace
from functools import partial
from typing import Any

from nas.common.registry import base_name
from nas.export.formatting import SourceText, has_weights
from nas.model.architecture import BlockRecord
from nas.model.blocks import SHORTCUTS, Op, Ops, Times
from nas.model.layout import Block, without_norm

#: the shape of a block, as functions in the module call it
SHAPE: Any = tuple(map(SourceText, ("in_channels", "out_channels", "stride")))


def general_shortcuts(blocks: Iterable[tuple[BlockRecord, Block]]) -> dict[str, Ops]:
    """Name -> operations in terms of the shape of a block, of the shortcuts with weights, or of
    several operations, that are the same in all blocks; others are written where they stand.
    """
    found: dict[str, dict[Ops | None, None]] = {}
    for record, block in blocks:
        if has_weights(block.shortcut) or len(block.shortcut or ()) > 1:
            general = generalised(record, block.shortcut or ())
            found.setdefault(record.shortcut, {})[general] = None
    return {
        name: layout
        for name, layouts in found.items()
        if len(layouts) == 1 and (layout := next(iter(layouts))) is not None
    }


def function_names(kinds: Iterable[str]) -> dict[str, str]:
    """Kind of shortcut -> the name of its function: that of the kind, numbered where it stands
    there with other options as well.
    """
    found: dict[str, str] = {}
    for kind in kinds:
        name = base_name(kind)
        others = sum(base_name(other) == name for other in found)
        found[kind] = f"{name}_{others + 1}" if others else name
    return found


def generalised(record: BlockRecord, layout: Ops) -> Ops | None:
    """The operations of a block's shortcut in terms of its shape; None where they are not those
    that the shortcut gives for the names of the numbers, as where it computes with them.
    """
    values = dict(zip(SHAPE, record.shortcut_shape, strict=True))
    scale = tuple(op for op in layout[-1:] if isinstance(op, Times))
    try:
        symbolic = SHORTCUTS[record.shortcut](*SHAPE) or ()
        for general in (symbolic + scale, without_norm(symbolic) + scale):
            if tuple(map(partial(with_numbers, values), general)) == layout:
                return general
    except Exception:  # a user's own function, given names for numbers, can raise anything
        return None
    return None


def with_numbers(values: dict[SourceText, int], op: Op) -> Op:
    """The operation with numbers for their names."""
    own = {field.name: getattr(op, field.name) for field in fields(op)}
    return replace(op, **{key: values.get(value, value) for key, value in own.items()})
