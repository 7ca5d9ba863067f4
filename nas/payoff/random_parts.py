"""What a network leaves out of itself at random in training.

Training losses are taken there, so those of a network with such parts are not of the whole network,
and say nothing beside those of one without.
"""

from functools import lru_cache

from nas.common.errors import UserError
from nas.model.architecture import BlockRecord, Named
from nas.model.joins import JOINS, Place
from nas.training.candidate import Candidate


@lru_cache(maxsize=1024)
def random_parts(stored: object) -> str:
    """Joins and dropout of a stored candidate that are random in training, as text; nothing where
    it cannot be read. What this made of a candidate stays as it is.
    """
    if not isinstance(stored, str) or not stored.startswith("{"):
        return stored if isinstance(stored, str) else ""
    try:
        blocks = Candidate.read(stored).architecture.blocks()
    except UserError:
        return ""
    parts = {part for block in blocks for part in random_in(block)}
    return ", ".join(sorted(parts))


def random_in(block: BlockRecord) -> list[str]:
    """The random parts of one block."""
    given = block.type.arguments
    parts = [f"{name} {given[name]}" for name in given if "dropout" in name and given[name]]
    if block.shortcut != "none" and is_random(block.join):
        parts.append(str(block.join))
    return parts


def is_random(join: Named) -> bool:
    """Whether a join leaves parts out; not known of one whose plugin is not imported."""
    return join.name in JOINS and JOINS[join.name](Place(1, 0, 1), **join.arguments).random
