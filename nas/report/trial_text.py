"""One trial in lines of text: what it is, what was measured, and how to export it."""

import shlex
from collections.abc import Iterator
from typing import Any

from nas.common.errors import StudyError
from nas.common.paths import STORAGE
from nas.model.architecture import Architecture, BlockRecord, Stage
from nas.report.counts import WORDS
from nas.report.trial_rows import Row, read_rows
from nas.search.beside import search_of
from nas.search.study import load_own_study, objective_names
from nas.search.trial_attributes import cause_of_failure
from nas.storage.bulk_read import trials_of
from nas.storage.open import open_storage
from nas.storage.url import hidden
from nas.training.candidate import Candidate
from nas.training.result import OBJECTIVES

#: attribute of a trial -> what it is called, and how it is written
NUMBERS = {
    "val_accuracy": ("validation accuracy", "{:.4f}"),
    "train_error": ("training error", "{:.4f}"),
    "layers": ("layers", "{:,.0f}"),
    "parameters": ("parameters", "{:,.0f}"),
    "multiply_adds": ("multiply-adds", "{:,.0f}"),
    "seconds": ("seconds of training", "{:,.1f}"),
    "seed": ("seed", "{:.0f}"),
}


def trial_lines(storage: str, name: str | None, number: int) -> list[str]:
    """A trial of a study. StudyError where there is none of that number."""
    study = load_own_study(open_storage(storage), name)
    rows = {row.number: row for row in read_rows(trials_of(study))}
    if number not in rows:
        raise StudyError(
            f"study {study.study_name!r} has no trial {number}; it has {len(rows)} trials"
            + (f", 0 to {max(rows)}." if rows else ".")
        )
    row = rows[number]
    lines = [f"trial {number} of study {study.study_name}: {standing(row)}"]
    lines += [f"  {label}: {value}" for label, value in numbers(row, objective_names(study))]
    if row.candidate is not None:
        lines += [f"  {line}" for line in candidate_lines(row.candidate)]
    if row.outcome in ("trained", "pruned", "repeated") and not search_of(study.user_attrs):
        where = "" if storage == STORAGE else f" --storage {shlex.quote(hidden(storage))}"
        command = f"nas export {shlex.quote(study.study_name)} --trial {number}{where}"
        lines.append(f"Export it: {command}")
    return lines


def standing(row: Row) -> str:
    """How a trial ended or stands."""
    attrs = row.trial.user_attrs
    if row.outcome == "failed":
        return f"failed: {cause_of_failure(row.trial)}"
    if row.outcome == "repeated":
        return f"repeats trial {attrs['reused_from']}, with its numbers"
    if row.outcome == "rejected":
        return f"rejected untrained by the constraints ({attrs['rejected']})"
    if row.outcome == "pruned":
        return f"pruned after epoch {row.trial.last_step}"
    text = WORDS[row.outcome].replace("their end", "its end")
    return text + (", diverged" if attrs.get("diverged") else "")


def numbers(row: Row, objectives: list[str]) -> Iterator[tuple[str, str]]:
    """What was measured."""
    for index, name in enumerate(objectives):
        value = row.objective(index)
        if value is not None and name not in NUMBERS:
            yield name.replace("_", " "), f"{value:.4g}"
    known = row.candidate
    for key, (label, form) in NUMBERS.items():
        value, name = row.value(key), known.accuracy_name if known else key
        if value is not None and key == "val_accuracy" != name:
            label = OBJECTIVES[name].label
        if value is not None:
            yield label, form.format(value)


def candidate_lines(candidate: Candidate) -> list[str]:
    """Architecture, settings of training and data."""
    written = candidate.training.written()
    return [
        *architecture_lines(candidate.architecture),
        "training: " + ", ".join(f"{key} {plain(value)}" for key, value in written.items()),
        f"data: {candidate.dataset.source or candidate.dataset.name}, "
        + inputs(candidate.architecture),
    ]


def inputs(architecture: Architecture) -> str:
    """What the network sees."""
    if architecture.is_of_rows:
        return f"rows of {architecture.image_shape[0]} features"
    return "pictures of " + " x ".join(map(str, architecture.image_shape))


def shape_head(architecture: Architecture) -> tuple[str, ...]:
    """What the shapes of blocks are called in tables."""
    return ("features",) if architecture.is_of_rows else ("channels", "stride")


def shape_cells(architecture: Architecture, block: BlockRecord) -> tuple[str, ...]:
    """The shapes of a block under `shape_head`."""
    change = f"{block.in_channels} → {block.out_channels}"
    return (change,) if architecture.is_of_rows else (change, str(block.stride))


def architecture_lines(architecture: Architecture) -> list[str]:
    """The parts that all stages share, then a line for each stage."""
    lines = [
        f"stem {architecture.stem}, {architecture.activation_order}, norm {architecture.norm}, "
        f"activation {architecture.activation}{architecture.start_text}",
        shortcuts_text(architecture),
    ]
    for index, stage in enumerate(architecture.stages, start=1):
        lines.append(f"stage {index}: {stage_text(stage)}")
    return lines


def shortcuts_text(architecture: Architecture) -> str:
    """Which blocks have a shortcut, and how it joins the branch."""
    join = architecture.join_text
    return f"shortcut in {architecture.placement_text}" + (f", join {join}" if join else "")


def stage_text(stage: Stage) -> str:
    """A stage in a line."""
    blocks = f"{stage.depth} block{'' if stage.depth == 1 else 's'} {stage.block}"
    stride = f", stride {stage.stride}" if stage.stride > 1 else ""
    return (
        f"{blocks}, width {stage.width_text}{stride}, shortcut {stage.shortcut_text}, "
        f"transition {stage.transition}"
    )


def plain(value: Any) -> str:
    """A setting as a person writes it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(one)}" for key, one in value.items())
    return str(value)
