"""Rows that agree in all that is matched and differ in one column: pairs, and what their units
are.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nas.common.errors import shown
from nas.tables.read import DataTable, TableError, is_empty

#: different values of what is varied from which on it is no choice of a few
MOST_LEVELS = 20
#: values that stand for "without it", in the order in which one is taken as the reference
PLAIN = ("none", "false", "no", "off", "0", "0.0")
Key = tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """What is asked of a table: which column is varied and which one is compared.

    match: columns in which both rows of a pair agree (None: all that have no other part).
    seed: one more such column, over which pairs are repetitions of each other. cluster: the mean
    over all pairs with one value of it is one unit. by: each of its values is compared on its own.
    """

    vary: str
    value: str
    match: tuple[str, ...] | None = None
    cluster: str | None = None
    seed: str | None = None
    by: str | None = None
    reference: str | None = None
    smallest_effect: float = 0.0
    trains_above: float | None = None
    trains_below: float | None = None


@dataclass(frozen=True)
class Pair:
    """One pair: values of the reference and of the arm, and the unit it belongs to."""

    group: str
    arm: str
    key: Key
    unit: str
    reference_value: float
    arm_value: float

    @property
    def difference(self) -> float:
        """Arm less reference."""
        return self.arm_value - self.reference_value


@dataclass(frozen=True)
class Matched:
    """All pairs of a table, and what was left out of them: `missing` rows without a value,
    `averaged` rows that stand at the place of another one, `unmatched` places without a partner.
    """

    question: Question
    match: tuple[str, ...]
    reference: str
    arms: tuple[str, ...]
    groups: tuple[str, ...]
    unit: str
    pairs: list[Pair]
    missing: int = 0
    averaged: int = 0
    unmatched: int = 0


@dataclass
class Place:
    """The values of each level at one place, and the cluster it lies in."""

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    clusters: set[str] = field(default_factory=set)


def match_pairs(table: DataTable, asked: Question) -> Matched:
    """The pairs of a table; TableError if what is asked cannot be answered from it."""
    check_columns(table, asked)
    match = asked.match if asked.match is not None else rest_of(table, asked)
    used = usable_rows(table, asked)
    levels = levels_of(table, asked, used)
    reference = reference_of(table, asked, levels)
    places = places_of(table, asked, match, used)
    arms = tuple(level for level in levels if level != reference)
    whole = {key: one for key, one in places.items() if reference in one.values}
    pairs = list(paired(whole, asked, reference, arms))
    if not pairs:
        raise no_pairs(table, asked, match)
    unit = unit_of(asked, match, pairs)
    matched_keys = {pair.key for pair in pairs}
    return Matched(
        question=asked,
        match=match,
        reference=reference,
        arms=tuple(arm for arm in arms if any(pair.arm == arm for pair in pairs)),
        groups=tuple(dict.fromkeys(pair.group for pair in sorted(pairs, key=by_group))),
        unit=unit,
        pairs=[with_unit(pair, asked, match, unit, whole) for pair in pairs],
        missing=table.num_rows - len(used),
        averaged=sum(len(v) - 1 for one in places.values() for v in one.values.values()),
        unmatched=len(places) - len(matched_keys),
    )


def check_columns(table: DataTable, asked: Question) -> None:
    """TableError for columns that are missing, or that have two parts."""
    parts = [("--vary", asked.vary), ("--value", asked.value)]
    parts += [("--match", one) for one in asked.match or ()]
    parts += [("--seed", one) for one in [asked.seed] if one]
    for _, name in [*parts, *(("", one) for one in (asked.cluster, asked.by) if one)]:
        table.column(name)
    for name, count in Counter(name for _, name in parts).items():
        if count > 1:
            roles = " and ".join(role for role, one in parts if one == name)
            raise TableError(f"the column {name!r} is given as {roles}: it can have one part only.")
    for option, given in (("--cluster", asked.cluster), ("--by", asked.by)):
        if given in (asked.vary, asked.value):
            raise TableError(f"{option} {given} is what is varied or compared already.")


def rest_of(table: DataTable, asked: Question) -> tuple[str, ...]:
    """The columns that have no part yet."""
    parts = {asked.vary, asked.value, asked.cluster, asked.seed, asked.by}
    return tuple(name for name in table.columns if name not in parts)


def usable_rows(table: DataTable, asked: Question) -> dict[int, float]:
    """Row -> its value, of the rows that have one and a level of what is varied."""
    found, varied = {}, table.column(asked.vary)
    for row, cell in enumerate(table.column(asked.value)):
        if is_empty(cell) or not varied[row].strip():
            continue
        try:
            value = float(cell)
        except ValueError:
            raise TableError(
                f"{table.place(row)}: {asked.value} is {shown(cell)}, and --value needs numbers."
            ) from None
        if not math.isfinite(value):
            raise TableError(
                f"{table.place(row)}: {asked.value} is {cell}. Let a run that diverged have the "
                "value that guessing has, or leave the cell empty."
            )
        found[row] = value
    if not found:
        raise TableError(f"{table.source} has no row with a value of {asked.value}.")
    return found


def levels_of(table: DataTable, asked: Question, rows: dict[int, float]) -> list[str]:
    """The different values of what is varied, sorted."""
    levels = sorted({table.column(asked.vary)[row] for row in rows})
    if len(levels) == 1:
        raise TableError(
            f"{asked.vary} is {levels[0]!r} in all {len(rows):,} rows with a value: one value only "
            "can be compared with nothing."
        )
    if len(levels) > MOST_LEVELS:
        raise TableError(
            f"{asked.vary} has {len(levels):,} different values, and at most {MOST_LEVELS} can be "
            "compared: put them into groups in a column of their own."
        )
    return levels


def reference_of(table: DataTable, asked: Question, levels: Sequence[str]) -> str:
    """The level against which the others stand."""
    if asked.reference is not None:
        if asked.reference not in levels:
            raise TableError(
                f"--reference {asked.reference}: {asked.vary} is {', '.join(levels)} in "
                f"{table.source}."
            )
        return asked.reference
    plain = [one for name in PLAIN for one in levels if one.strip().lower() == name]
    return (plain or list(levels))[0]


def places_of(
    table: DataTable, asked: Question, match: Sequence[str], rows: dict[int, float]
) -> dict[Key, Place]:
    """Group, matched cells and seed -> the values found there."""
    names = [*([asked.by] if asked.by else []), *match, *([asked.seed] if asked.seed else [])]
    keys = [table.column(name) for name in names]
    varied = table.column(asked.vary)
    clusters = table.column(asked.cluster) if asked.cluster else None
    places: dict[Key, Place] = defaultdict(Place)
    for row, value in rows.items():
        place = places[tuple(column[row] for column in keys)]
        place.values[varied[row]].append(value)
        if clusters is not None:
            place.clusters.add(clusters[row])
    return dict(places)


def paired(
    places: dict[Key, Place], asked: Question, reference: str, arms: Sequence[str]
) -> Iterator[Pair]:
    """The pairs of every place that has the reference and an arm."""
    for key, place in places.items():
        group = key[0] if asked.by else ""
        for arm in arms:
            if arm in place.values:
                values = (mean(place.values[level]) for level in (reference, arm))
                yield Pair(group, arm, key, "", *values)


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return math.fsum(values) / len(values)


def by_group(pair: Pair) -> tuple[bool, float, str]:
    """Groups that are numbers by size, then the others by name."""
    try:
        return False, float(pair.group), pair.group
    except ValueError:
        return True, 0.0, pair.group


def unit_of(asked: Question, match: Sequence[str], pairs: Sequence[Pair]) -> str:
    """What counts as one observation: a pair; with a cluster the mean of its pairs; with a seed and
    several places to repeat the mean over their seeds.
    """
    if asked.cluster:
        return "cluster"
    if asked.seed and match and len({pair.key[:-1] for pair in pairs}) > 1:
        counts = Counter((pair.group, pair.arm, pair.key[:-1]) for pair in pairs)
        several = Counter((group, arm) for group, arm, _ in counts)
        if max(several.values()) > 1:
            return "place"
    return "pair"


def with_unit(
    pair: Pair, asked: Question, match: Sequence[str], unit: str, places: dict[Key, Place]
) -> Pair:
    """A pair with the name of its unit; TableError if its rows lie in two clusters."""
    name = " · ".join(pair.key)
    if unit == "place":
        name = " · ".join(pair.key[:-1])
    if unit == "cluster":
        clusters = places[pair.key].clusters
        if len(clusters) > 1:
            told = " and ".join(map(shown, sorted(clusters)[:2]))
            raise TableError(
                f"the rows of a pair lie in two clusters of {asked.cluster}, {told}: a cluster "
                "must hold whole pairs."
            )
        (name,) = clusters
    return Pair(pair.group, pair.arm, pair.key, name, pair.reference_value, pair.arm_value)


def no_pairs(table: DataTable, asked: Question, match: Sequence[str]) -> TableError:
    """Why there is nothing to compare, and the column that keeps most rows apart."""
    names = [*match, *([asked.seed] if asked.seed else []), *([asked.by] if asked.by else [])]
    counts = {name: len(set(table.column(name))) for name in names}
    most = max(counts, key=lambda name: counts[name], default="")
    way = "name the columns that must agree with --match"
    if most:
        way += f" ({most} has {counts[most]:,} different values in {table.num_rows:,} rows)"
    return TableError(
        f"{table.source} has no pairs: no two rows differ in {asked.vary} and agree in "
        f"{', '.join(names) or 'anything'}; {way}."
    )
