"""Hostile input made of good input: search spaces, settings and stored candidates, mutated.

Trees of (key, value) pairs are mutated by structure, so that keys may stand twice; the text they
are written as is mutated by lines and by bytes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from experiments.fuzz.values import BYTES, JSON_VALUES, KEYS, NUMBERS, PARTS, RANGES, VALUES
from nas.space.yaml import Source

SPACES = Path(__file__).parents[2] / "search_spaces"
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(SPACES.rglob("*.yaml"))]


#: of a text that is repeated: more is refused for its size alone
MOST_BYTES = 200_000


class Raw(str):
    """A scalar that is written as it stands."""


class Pairs(list):  # type: ignore[type-arg]
    """A mapping whose keys may stand twice."""


def pairs(data: Any) -> Any:
    """Plain data with its mappings as pairs."""
    if isinstance(data, dict):
        return Pairs((key, pairs(value)) for key, value in data.items())
    return [pairs(value) for value in data] if isinstance(data, list) else data


def places(tree: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """The paths of all values below the root."""
    found = []
    if isinstance(tree, list):
        for index, item in enumerate(tree):
            value = item[1] if isinstance(tree, Pairs) else item
            found += [(*path, index), *places(value, (*path, index))]
    return found


def at(tree: Any, path: tuple[int, ...]) -> Any:
    """The value at a path."""
    for index in path:
        tree = tree[index][1] if isinstance(tree, Pairs) else tree[index]
    return tree


def put(tree: Any, path: tuple[int, ...], value: Any) -> None:
    """Replace the value at a path."""
    parent, index = at(tree, path[:-1]), path[-1]
    parent[index] = (parent[index][0], value) if isinstance(parent, Pairs) else value


def mutate_once(draw: DrawFn, tree: Any, values: SearchStrategy[Any]) -> None:
    """One change of a tree: of a value, of a key, of an order."""
    path = draw(st.sampled_from(places(tree) or [()]))
    if not path:
        return
    change = draw(st.integers(0, 11))
    if change <= 4:
        put(tree, path, draw(values))
    elif change == 5:
        put(tree, path, copied(at(tree, draw(st.sampled_from(places(tree))))))
    elif change == 6:
        put(tree, path, [at(tree, path)])
    else:
        reorder(draw, at(tree, path[:-1]), path[-1], values)


def reorder(draw: DrawFn, parent: Any, index: int, values: SearchStrategy[Any]) -> None:
    """Leave out, move, repeat or turn round what is in a list or mapping, or change a key."""
    change = draw(st.integers(0, 5))
    if change == 0:
        del parent[index]
    elif change == 1:
        parent.insert(draw(st.integers(0, len(parent))), parent[index])
    elif change == 2:
        parent.extend([parent[index]] * draw(st.sampled_from([1, 7, 70])))
    elif change <= 4 and isinstance(parent, Pairs):
        pair = (Raw(draw(st.sampled_from(KEYS))), parent[index][1] if change == 3 else draw(values))
        parent[index : index + (change == 3)] = [pair]
    else:
        parent.reverse()


def copied(tree: Any) -> Any:
    """A tree of its own."""
    if isinstance(tree, Pairs):
        return Pairs((key, copied(value)) for key, value in tree)
    return [copied(value) for value in tree] if isinstance(tree, list) else tree


def mutated(draw: DrawFn, data: Any, values: SearchStrategy[Any]) -> Any:
    """A tree after one to four changes, most often one."""
    tree = pairs(data)
    for _ in range(draw(st.sampled_from([1, 1, 1, 1, 2, 2, 3, 4]))):
        mutate_once(draw, tree, values)
    return tree


def written(tree: Any, scalar: Callable[[Any], str]) -> str:
    """A tree as flow YAML or JSON."""
    if isinstance(tree, Pairs):
        return f"{{{', '.join(f'{scalar(k)}: {written(v, scalar)}' for k, v in tree)}}}"
    if isinstance(tree, list):
        return f"[{', '.join(written(value, scalar) for value in tree)}]"
    return scalar(tree)


def scalar(value: Any) -> str:
    """A scalar in YAML; JSON's form but for what is raw."""
    return value if isinstance(value, Raw) else json.dumps(value)


def blocks(tree: Any) -> str:
    """The sections of a space, one a line, as people write them."""
    if not isinstance(tree, Pairs):
        return written(tree, scalar)
    return "".join(f"{scalar(key)}: {written(value, scalar)}\n" for key, value in tree)


def mangled_lines(draw: DrawFn, text: str) -> str:
    """Lines left out, doubled, moved, indented, or with something more at the end."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(lines) - 1))
        change = draw(st.integers(0, 6))
        if change == 0 and len(lines) > 1:
            del lines[index]
        elif change == 1:
            lines.insert(index, lines[index])
        elif change == 2:
            lines[index], lines[0] = lines[0], lines[index]
        elif change == 3:
            lines[index] = draw(st.sampled_from([" ", "\t", "    ", "- "])) + lines[index]
        elif change == 4:
            lines[index] += draw(st.sampled_from([" x", ":", " # x", "{", " &a", "\r", "\u2028"]))
        else:
            lines.insert(index, draw(st.sampled_from(["---", "...", "%YAML 1.2", "a: *b", "- x"])))
    return "\n".join(lines)


def mangled_bytes(draw: DrawFn, raw: bytes) -> bytes:
    """Bytes put in, changed, cut off or repeated."""
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(raw)))
        change = draw(st.integers(0, 5))
        if change == 0:
            raw = raw[:index] + draw(st.sampled_from(BYTES)) + raw[index:]
        elif change == 1:
            raw = raw[:index] + draw(st.binary(min_size=1, max_size=3)) + raw[index + 1 :]
        elif change == 2:
            raw = raw[:index]
        elif change == 3:
            raw = raw.replace(b"\n", b"\r\n")
        elif change == 4:
            raw = raw[index:] + raw[:index]
        else:
            raw = ((raw + b"\n") * draw(st.sampled_from([2, 200])))[:MOST_BYTES]
    return raw


def raw_values(*pools: list[str]) -> SearchStrategy[Raw]:
    """One of the written values, every pool as often as the others."""
    return st.one_of(*(st.sampled_from(pool) for pool in pools)).map(Raw)


@st.composite
def spaces(draw: DrawFn) -> bytes:
    """A bundled space, mutated by structure most often, else by lines or bytes."""
    text = draw(st.sampled_from(TEXTS))
    kind = draw(st.integers(0, 9))
    if kind <= 6:
        text = blocks(mutated(draw, Source("s.yaml", text).data, raw_values(*VALUES)))
    elif kind <= 8:
        text = mangled_lines(draw, text)
    raw = text.encode("utf-8", "surrogatepass")
    return mangled_bytes(draw, raw) if kind in (6, 9) else raw


@st.composite
def settings(draw: DrawFn) -> str:
    """`KEY=VALUE`: a known or a strange key, and any value."""
    steps = st.sampled_from([*KEYS, "0", "1", "2", "-1", "9" * 20, "²", "٣", "1.5"])
    known = st.sampled_from(
        [
            *("training.epochs", "training.batch_size", "training.optimizer", "search.trials"),
            *("architecture.depth", "architecture.stages", "architecture.stages.0.width", "name"),
            *("architecture.stages.1", "architecture.norm", "architecture.block", "payoff"),
            *("dataset", "dataset.image_size", "architecture.stages.0.shortcut", "constraints"),
            *("architecture.stages.0.depth", "architecture.stages.0.block", "architecture.stem"),
            *("training.warmup", "search.seed", "payoff.depths", "payoff.top", "dataset.path"),
        ]
    )
    strange = not draw(st.integers(0, 3))
    key = draw(st.lists(steps, min_size=1, max_size=4).map(".".join) if strange else known)
    equals = draw(st.sampled_from(["=", "", " = ", "=="])) if strange else "="
    value = draw(raw_values(NUMBERS[:10], RANGES, PARTS) | raw_values(*VALUES))
    return f"{key}{equals}{value}".replace("\0", "")


@st.composite
def stored(draw: DrawFn, candidates: list[str]) -> str:
    """The JSON of a candidate, mutated."""
    text = draw(st.sampled_from(candidates))
    if draw(st.integers(0, 4)):
        tree = mutated(draw, json.loads(text), raw_values(JSON_VALUES))
        return written(tree, lambda v: v if isinstance(v, Raw) and v not in KEYS else json.dumps(v))
    return mangled_bytes(draw, text.encode()).decode("utf-8", "replace")
