"""Twins of the stored results as rows of a table, and rows as twins."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from experiments.again import planned_rivals, twin
from nas.payoff.records import OUTCOMES, Twin

FOLDER = Path(__file__).parent
EXPERIMENTS = FOLDER.parent
RUNS, PLANS = "runs.csv", "plans.json"
#: columns written as JSON
AS_JSON = ("curve", "finished")
COLUMNS = (
    "experiment",
    *(field.name for field in fields(Twin) if field.name not in ("outcomes", *AS_JSON)),
    *OUTCOMES,
    *AS_JSON,
)
#: what is not a number or a word when it is read
READ: dict[str, Any] = {
    "depth": int,
    "lr": float,
    "budget": int,
    "seed": int,
    "added": lambda text: text == "True",
    "trial": int,
    "layers": int,
    "parameters": int,
    "epochs": int,
    "steps": int,
    "failed": lambda text: text == "True",
    "steps_to": lambda text: int(text) if text else None,
    "seconds": float,
    **dict.fromkeys(OUTCOMES, float),
    **dict.fromkeys(AS_JSON, json.loads),
}


def sources() -> Iterator[tuple[str, Path]]:
    """Experiment, and its part where it has several, with the file of its twins."""
    for path in sorted(EXPERIMENTS.glob("*/results/**/payoff.json")):
        experiment, _, *part = path.parent.relative_to(EXPERIMENTS).parts
        yield "/".join([experiment, *part]), path


def stored(path: Path) -> tuple[list[Twin], dict[str, Any]]:
    """The twins of a result and what was fixed before the first of them."""
    found = json.loads(path.read_text(encoding="utf-8"))["twins"]
    twins = [twin(row) for row in [*found["twins"], *found.get("added", [])]]
    fixed = {key: found[key] for key in ("vary", "smallest_effect", "primary")}
    return twins, fixed | {"rivals": planned_rivals(twins)}


def written() -> dict[str, str]:
    """The files: all runs as CSV, and the plans of the experiments as JSON."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    plans = {}
    for experiment, path in sources():
        twins, plans[experiment] = stored(path)
        writer.writerows(row(experiment, one) for one in twins)
    return {RUNS: text.getvalue(), PLANS: json.dumps(plans, indent=1) + "\n"}


def row(experiment: str, one: Twin) -> dict[str, Any]:
    """A run as cells."""
    cells = asdict(one)
    outcomes = cells.pop("outcomes")
    as_json = {key: json.dumps(cells[key], separators=(",", ":")) for key in AS_JSON}
    return {"experiment": experiment, **cells, **outcomes, **as_json}


def read() -> dict[str, list[Twin]]:
    """Experiment -> its twins, from the table."""
    found: dict[str, list[Twin]] = defaultdict(list)
    with (FOLDER / RUNS).open(encoding="utf-8", newline="") as file:
        for cells in csv.DictReader(file):
            experiment = cells.pop("experiment")
            values = {key: READ.get(key, str)(text) for key, text in cells.items()}
            outcomes = {name: values.pop(name) for name in OUTCOMES}
            found[experiment].append(Twin(**values, outcomes=outcomes))
    return dict(found)


def plans() -> dict[str, dict[str, Any]]:
    """Experiment -> what was fixed before its first twin."""
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / PLANS).read_text(encoding="utf-8"))
    return found
