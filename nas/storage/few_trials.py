"""A few trials whole, in two queries: each of those to a table takes longer than its rows."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from optuna.trial import FrozenTrial
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Enum,
    Float,
    Integer,
    Select,
    String,
    Table,
    Text,
    bindparam,
    cast,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.types import TypeEngine

from nas.storage.bulk_read import (
    add_attributes,
    add_params,
    add_reported,
    add_values,
    entries,
    frozen,
    no_parts,
)
from nas.storage.tables import PARAMS, REPORTED, SYSTEM_ATTRS, TRIAL_ATTRS, TRIALS, VALUES

#: trials named in one query
MOST_NAMED = 500
#: what a row of any table is read as: the table and the trial, then a column of each of these types
TYPES = (Integer, String, Float, String, Text)
#: of each table the columns that stand there, and their places in the table's own order
PLACED: dict[Table, tuple[tuple[str | None, ...], tuple[int, ...]]] = {
    VALUES: (("objective", None, "value", "value_type", None), (1, 2, 4, 5)),
    REPORTED: (
        ("step", None, "intermediate_value", "intermediate_value_type", None),
        (1, 2, 4, 5),
    ),
    PARAMS: (("param_id", "param_name", "param_value", None, "distribution_json"), (1, 3, 4, 6, 2)),
    TRIAL_ATTRS: ((None, "key", None, None, "value_json"), (1, 3, 6)),
    SYSTEM_ATTRS: ((None, "key", None, None, "value_json"), (1, 3, 6)),
}


def few_trials(
    connection: Connection, ids: Sequence[int], is_wanted: ColumnElement[bool]
) -> list[FrozenTrial]:
    """The trials of those ids by number, with the user attributes that are wanted. What is known of
    a trial is as new as its state, or newer."""
    found = []
    for first in range(0, len(ids), MOST_NAMED):
        found += _few_trials(connection, ids[first : first + MOST_NAMED], is_wanted)
    return sorted(found, key=lambda trial: trial.number)


def _few_trials(
    connection: Connection, ids: Sequence[int], is_wanted: ColumnElement[bool]
) -> list[FrozenTrial]:
    """The same of so many that one query can name them."""
    listed = list(entries(connection, TRIALS.c.trial_id.in_(ids)))
    stored: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(parts_query(is_wanted), {"ids": ids}):
        stored[row[0]].append(row)
    rows = {
        table: list(map(itemgetter(*places), stored[table.name]))
        for table, (_, places) in PLACED.items()
    }
    found = no_parts()
    add_values(found, rows[VALUES])
    add_reported(found, rows[REPORTED])
    add_params(found, sorted(rows[PARAMS], key=itemgetter(4)))
    add_attributes(found, TRIAL_ATTRS, rows[TRIAL_ATTRS])
    add_attributes(found, SYSTEM_ATTRS, rows[SYSTEM_ATTRS])
    return [frozen(entry, found) for entry in listed]


@lru_cache(maxsize=16)
def parts_query(is_wanted: ColumnElement[bool]) -> CompoundSelect[Any]:
    """The query for the rows of all tables, of the trials `ids`."""
    return union_all(*(part(table, is_wanted) for table in PLACED))


def part(table: Table, is_wanted: ColumnElement[bool]) -> Select[Any]:
    """The query for the rows of a table."""
    columns = [
        placed(table, name, kind) for name, kind in zip(PLACED[table][0], TYPES, strict=True)
    ]
    wanted = select(literal(table.name), table.c.trial_id, *columns)
    wanted = wanted.where(table.c.trial_id.in_(bindparam("ids", expanding=True)))
    return wanted.where(is_wanted) if table is TRIAL_ATTRS else wanted


def placed(table: Table, name: str | None, kind: type[TypeEngine[Any]]) -> ColumnElement[Any]:
    """A column as it is stored, so that a damaged value stays one; enumerations as text."""
    if name is None:
        return cast(null(), kind)
    return cast(table.c[name], kind) if isinstance(table.c[name].type, Enum) else table.c[name]
