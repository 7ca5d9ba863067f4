"""payoff.json and trials.csv: the numbers of the report for machines."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

from nas.common.provenance import library_version
from nas.payoff.answers import finding
from nas.payoff.records import OUTCOMES
from nas.report.data import StudyData
from nas.report.incumbents import searches
from nas.report.observational import Observed
from nas.report.payoff_schema import VERSION, PayoffFile, SearchBudget
from nas.report.trial_rows import Row, candidate
from nas.statistics import Effect
from nas.training.metrics import probe_measures, run_measures

#: columns that describe an architecture, one value for each stage
ARCHITECTURE = ("activation_order", "blocks", "depths", "widths", "shortcuts", "transitions")


def payoff_json(data: StudyData, seen: Observed) -> str:
    """All effects, verdict and answer; gains are positive where the arm has the lower error."""
    content = PayoffFile(
        schema_version=VERSION,
        study=data.name,
        nas=library_version("nas"),
        verdict=data.verdict,
        answer=finding(data.payoff) if data.payoff else None,
        units={name: unit for name, (_, unit) in OUTCOMES.items()},
        searches=[
            SearchBudget(one.name, one.num_trials, one.best, one.seconds) for one in searches(data)
        ],
        twins=data.payoff,
        observed={"warning": "not evidence: sampled and pruned", **vars(seen)},
    )
    return json.dumps(jsonable(content), allow_nan=False) + "\n"


def jsonable(value: Any) -> Any:
    """Data as JSON knows it: dataclasses as objects, keys as text, what is not finite as null."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        found = {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
        return found | (
            {"n": value.n, "resolved": value.resolved} if isinstance(value, Effect) else {}
        )
    if isinstance(value, Mapping):
        return {key_text(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [jsonable(item) for item in value]
    if hasattr(value, "__float__"):
        return float(value) if math.isfinite(value) else None
    return str(value)


def key_text(key: Any) -> str:
    """A key as text; of several stages `0-2`."""
    return "-".join(map(str, key)) if isinstance(key, tuple) else str(key)


def trials_csv(rows: Sequence[Row], objectives: Sequence[str]) -> str:
    """One line for each trial of the search."""
    records = [record(row, objectives) for row in rows]
    head = list(dict.fromkeys(key for one in records for key in one)) or ["number", "outcome"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(safe, head))
    writer.writerows(map(one.get, head) for one in records)
    return text.getvalue()


def record(row: Row, objectives: Sequence[str]) -> dict[str, Any]:
    """One trial as columns and their values."""
    attrs = row.trial.user_attrs
    found: dict[str, Any] = {"number": row.number, "outcome": row.outcome}
    found |= {name: row.objective(index) for index, name in enumerate(objectives)}
    found |= {key: row.value(key) for key in ("val_accuracy", "train_error", "train_loss")}
    found |= {
        key: plain(attrs.get(key))
        for key in ("layers", "parameters", "multiply_adds", "seconds", "seed")
    }
    found["epochs"] = row.epochs or None
    found["diverged"] = plain(attrs.get("diverged"))
    found |= architecture_columns(row.text)
    names = [name for name in run_measures() if name != "diverged"]
    found |= {name: plain(row.measures.get(name)) for name in names}
    found |= probed(row)
    found |= {f"param.{name}": plain(value) for name, value in sorted(row.trial.params.items())}
    found["error"] = plain(str(attrs.get("error", "")).strip().rpartition("\n")[2])
    return found


@lru_cache(maxsize=65536)
def architecture_columns(text: str) -> dict[str, Any]:
    """The architecture of a stored candidate in columns."""
    found = candidate(text)
    if found is None:
        return dict.fromkeys(ARCHITECTURE)
    one, stages = found.architecture, found.architecture.stages
    return {
        "activation_order": plain(one.activation_order),
        "blocks": plain("/".join(str(stage.block) for stage in stages)),
        "depths": "/".join(str(stage.depth) for stage in stages),
        "widths": "/".join(stage.width_text for stage in stages),
        "shortcuts": plain("/".join(stage.shortcut_text for stage in stages)),
        "transitions": plain("/".join(stage.transition for stage in stages)),
    }


def probed(row: Row) -> dict[str, Any]:
    """Probed numbers at the start and the end."""
    found = {}
    for step in ("0", "end"):
        reading = row.probes(step)
        for name, measure in probe_measures().items():
            if not measure.by_block and name in reading:
                found[f"{name}@{step}"] = plain(reading[name])
    return found


def plain(value: Any) -> Any:
    """A cell: numbers as they are, nothing for what is missing or not finite, text made safe."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return safe(str(value))


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
