"""Notes in the Optuna dashboard: what a trial is, in a table a person can read."""

from itertools import groupby

from nas.model.architecture import Architecture, BlockRecord
from nas.training.candidate import Candidate
from nas.training.result import Result

#: epochs shown in a note; longer curves are thinned
ROWS = 12


def trial_text(candidate: Candidate, result: Result) -> str:
    """Architecture, cost and curve in Markdown."""
    return "\n\n".join(
        [
            architecture_table(candidate.architecture),
            summary(candidate, result),
            curve_table(result),
        ]
    )


def untrained_text(candidate: Candidate, why: str) -> str:
    """Architecture and reason of a trial that was not trained, in Markdown."""
    return f"{architecture_table(candidate.architecture)}\n\n{why}"


def architecture_table(architecture: Architecture) -> str:
    """The blocks in Markdown, runs of equal blocks in one row."""
    head = (
        f"**{architecture.activation_order}**, {architecture.activation}, "
        f"norm {architecture.norm}, stem {architecture.stem}"
    )
    rows = ["| blocks | type | channels | stride | shortcut |", "|---|---|---|---|---|"]
    for record, group in groupby(architecture.blocks()):
        rows.append(block_row(record, len(list(group))))
    return head + "\n\n" + "\n".join(rows)


def block_row(record: BlockRecord, count: int) -> str:
    """One row of the table of blocks."""
    channels = f"{record.in_channels} → {record.out_channels}"
    return f"| {count} × | {record.type} | {channels} | {record.stride} | {record.shortcut} |"


def summary(candidate: Candidate, result: Result) -> str:
    """Cost, settings and outcome in one paragraph."""
    flags = "".join(f" **{flag}.**" for flag in ("diverged", "pruned") if getattr(result, flag))
    return (
        f"{result.depth} layers, {result.parameters:,} parameters, "
        f"{result.multiply_adds:,} multiply-adds. "
        f"{candidate.training.optimizer}, batch {candidate.training.batch_size}, "
        f"{len(result.curve)} of {candidate.training.epochs} epochs in {result.seconds:.1f} s, "
        f"seed {result.seed}.{flags}"
    )


def curve_table(result: Result) -> str:
    """The learning curve in Markdown, with its first and last epoch."""
    step = max(1, -(-(len(result.curve) - 1) // (ROWS - 1)))
    kept = [*result.curve[:-1:step], result.curve[-1]]
    rows = [
        "| epoch | training loss | training accuracy | validation loss | validation accuracy |",
        "|---|---|---|---|---|",
    ]
    for record in kept:
        keys = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
        numbers = " | ".join(f"{record[key]:.4f}" for key in keys)
        rows.append(f"| {record['epoch']:.0f} | {numbers} |")
    return "\n".join(rows)
