"""The best architecture, trained again on training and validation split, as a Python module."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from lightning.pytorch import LightningDataModule
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.common.devices import Device, device_of
from nas.common.errors import ExportError
from nas.common.files import write_text
from nas.common.machine import memory_share, num_cores
from nas.common.main_guard import leave_if_importing_main
from nas.common.paths import DATA_DIR, OUT, study_folder
from nas.data.given import given_module
from nas.export.changes import changed, differences
from nas.export.formats import check_formats
from nas.export.prediction import Inputs, inputs_of, inputs_of_search
from nas.export.processes import in_processes
from nas.export.writing import Trained, load, save, write
from nas.search.allow_code import (
    allow_plugins,
    code_in_storage,
    refuse_other_code,
    watchers_of,
)
from nas.search.beside import folder_name
from nas.search.best_trials import best_trials
from nas.search.foreign_studies import is_ours, not_ours
from nas.search.study import objectives_of
from nas.training.candidate import Candidate
from nas.training.evaluation import measured as scores_of
from nas.training.lightning import train as train_candidate
from nas.training.watching import WatchedRun


@dataclass(frozen=True)
class Retraining:
    """One retraining: its seed, its test accuracy, also as the mean over the classes, its weights,
    and what it was trained on. Of a target that is a number: R^2, and its mean absolute error."""

    seed: int
    test_accuracy: float
    balanced_test_accuracy: float | None
    weights: Path
    inputs: Inputs
    test_mae: float | None = None


def export(
    study: Study,
    *,
    trial: int | None = None,
    seeds: int = 3,
    train: bool = True,
    settings: Sequence[str] = (),
    formats: Sequence[str] = (),
    output: str | Path = "best.py",
    device: str = "auto",
    data_dir: str | Path = DATA_DIR,
    out: str | Path = OUT,
    trust: bool = False,
    data: Any = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Write the module of a trial (default: the best) with its weights and a model card beside it.

    The network is trained on training and validation split over several seeds, and each is tested
    once; the weights are those of the first seed. Runs done before are not repeated. `settings`
    change the training, as "training.epochs=100". Without `train` the weights are those of the
    search, and the pictures are read for the names of the classes. `formats`: "onnx" and
    "torch_export" are written too.
    """
    leave_if_importing_main()
    output, folder = Path(output), study_folder(out, folder_name(study))
    check_request(output, formats, settings, train=train)
    if not is_ours(study.user_attrs):
        raise not_ours(study)
    chosen = choose(study, trial)
    allow_plugins(study, trust, say)
    searched = exportable(study, chosen)
    if train:
        candidate = changed(searched, settings)
        how = retraining(study, chosen, candidate, folder, device, data_dir, trust, data, say)
        runs = []
        for run in retrained(how, first_seed(chosen), seeds):
            runs.append(run)
            name = "R²" if run.inputs.is_number else "accuracy"
            say(f"seed {run.seed}: test {name} {run.test_accuracy:.4f}")
        found = trained(candidate, runs, differences(searched, candidate), objectives_of(study))
        if candidate == searched:  # what the report tells as the test accuracy of the trial
            accuracies = list(found.accuracies.values())
            study.set_user_attr("exported", {"trial": chosen.number, "test_accuracy": accuracies})
    else:
        found = as_found(searched, chosen, folder, Path(data_dir))
    files = write(found, study.study_name, chosen.number, output, formats)
    say(f"Wrote {', '.join(map(str, files))}. Try it: python {output}")
    return output


def check_request(
    output: Path, formats: Sequence[str], settings: Sequence[str], *, train: bool
) -> None:
    """ExportError for what cannot be written, or contradicts itself."""
    if output.suffix != ".py":
        raise ExportError(f"{output} is no name of a Python file: write it as best.py.")
    check_formats(formats)
    if settings and not train:
        raise ExportError("--set changes the training, and --no-train trains nothing: leave one.")


def exportable(study: Study, trial: FrozenTrial) -> Candidate:
    """The candidate of a trial; ExportError where its network is not what was trained."""
    place = f"trial {trial.number} of study {study.study_name!r}"
    candidate = Candidate.from_json(trial.user_attrs["candidate"], place)
    if candidate.training.fade_shortcuts:
        raise ExportError(
            f"The shortcuts of {place} fade out in its training, so that what is left is a plain "
            "network: export one of another arm."
        )
    return candidate


def retraining(
    study: Study,
    trial: FrozenTrial,
    candidate: Candidate,
    folder: Path,
    device: str,
    data_dir: str | Path,
    trust: bool,
    data: Any,
    say: Callable[[str], None],
) -> Callable[..., Retraining]:
    """`retrain` with all but its seed and memory; refuses code that nobody allowed."""
    allowed = code_in_storage(study, trust, say)
    watchers = watchers_of(study)
    refuse_other_code(candidate.dataset.code | watchers.code, allowed, study.study_name)
    name = f"export_of_trial_{trial.number}"
    return partial(
        retrain,
        candidate,
        folder=folder,
        data_dir=Path(data_dir),
        given=given_module(candidate.dataset, data),
        watched_as=WatchedRun(watchers, folder, folder_name(study), name) if watchers else None,
        device=device_of(device),
    )


def trained(
    candidate: Candidate, runs: list[Retraining], changes: list[str], objectives: list[str]
) -> Trained:
    """What is told of trainings, with the weights of the first."""
    inputs = runs[0].inputs
    facts = [inputs.trained_on(), *changes]
    if inputs.is_number:
        facts += [
            *explained(runs, "test_accuracy", "R²"),
            *explained(runs, "test_mae", "mean error"),
        ]
    else:
        facts += measured(runs, "test_accuracy")
    if "val_balanced_accuracy" in objectives:
        facts += measured(runs, "balanced_test_accuracy")
    accuracies = {run.seed: run.test_accuracy for run in runs}
    return Trained(candidate, runs[0].weights, inputs, facts, accuracies)


def as_found(candidate: Candidate, trial: FrozenTrial, folder: Path, data_dir: Path) -> Trained:
    """A trial with the weights of the search."""
    weights, facts = found_weights(trial, folder)
    inputs = inputs_of_search(candidate.dataset, data_dir)
    return Trained(candidate, weights, inputs, [*facts, inputs.trained_on()])


def choose(study: Study, number: int | None) -> FrozenTrial:
    """The trial asked for, or the best one; ExportError where it was not trained to its end."""
    if number is None:
        best = [one for one in best_trials(study) if "candidate" in one.user_attrs]
        if not best:
            raise ExportError(f"study {study.study_name!r} has no finished trial yet.")
        return best[0]
    for trial in study.get_trials(deepcopy=False):
        if trial.number == number and {"candidate", "candidate_hash"} <= trial.user_attrs.keys():
            return trial
    raise ExportError(f"study {study.study_name!r} has no trained trial {number}.")


def first_seed(trial: FrozenTrial) -> int:
    """The seed the search trained a trial with; 0 where none was kept."""
    seed = trial.user_attrs.get("seed")
    return seed if type(seed) is int and 0 <= seed < 2**31 else 0


def found_weights(trial: FrozenTrial, folder: Path) -> tuple[Path, list[str]]:
    """The weights the search left of a trial, and what was measured of them."""
    weights = folder / "weights" / f"trial-{trial.number}.pt"
    if not weights.exists():
        raise ExportError(
            f"the weights of trial {trial.number} were not kept ({weights}): leave out --no-train."
        )
    reached = trial.user_attrs.get("val_accuracy")
    known = f": validation accuracy {reached:.4f}" if isinstance(reached, float) else ""
    return weights, [f"Weights as the search found them{known}."]


def retrained(how: Callable[..., Retraining], first_seed: int, seeds: int) -> Iterator[Retraining]:
    """One run for each seed, in order; as many at a time as there are cores, each on one thread."""
    size = min(seeds, num_cores())
    train_one = partial(how, memory=memory_share(size))
    yield from in_processes(train_one, range(first_seed, first_seed + seeds), size)


def retrain(
    candidate: Candidate,
    seed: int,
    folder: Path,
    data_dir: Path,
    memory: int,
    given: LightningDataModule | None,
    watched_as: WatchedRun | None,
    device: Device,
) -> Retraining:
    """Train on training and validation split with one seed, test once and keep both, or read
    them."""
    kept = folder / "export" / f"{candidate.hash}-seed-{seed}.json"
    weights = kept.with_suffix(".pt")
    if run := done_before(candidate, kept, weights):
        return run
    if device.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = device.gpus[seed % len(device.gpus)]
    done = train_candidate(
        candidate,
        seed=seed,
        data_dir=data_dir,
        train_on_validation=True,
        memory=memory,
        given=given,
        watched_as=watched_as and replace(watched_as, name=f"{watched_as.name}_seed_{seed}"),
        device=device.kind,
    )
    found = scores_of(done.network, done.data.test_dataloader(), scale=done.data.target_scale)
    run = Retraining(
        seed=seed,
        test_accuracy=found["accuracy"],
        balanced_test_accuracy=found.get("balanced_accuracy"),
        test_mae=found.get("mae"),
        weights=weights,
        inputs=inputs_of(done.data),
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    save(done.network.state_dict(), weights)
    write_text(kept, json.dumps(asdict(run) | {"weights": weights.name}))
    return run


def done_before(candidate: Candidate, kept: Path, weights: Path) -> Retraining | None:
    """A run that was kept; None where there is none, or one that cannot be read."""
    try:
        load(candidate, weights)
        found = json.loads(kept.read_text(encoding="utf-8"))
        return Retraining(**found | {"weights": weights, "inputs": Inputs(**found["inputs"])})
    except (OSError, ExportError, ValueError, TypeError, KeyError):
        return None


def explained(runs: list[Retraining], name: str, words: str) -> list[str]:
    """The same of a target that is a number."""
    values = [getattr(run, name) for run in runs]
    facts = [f"Test {words} of these weights (seed {runs[0].seed}), tested once: {values[0]:.4g}."]
    if len(values) > 1:
        spread = f"{mean(values):.4g} ± {stdev(values):.2g}"
        facts.append(
            f"Test {words} of the architecture: {spread} (mean ± sd of {len(values)} seeds)."
        )
    return facts


def measured(runs: list[Retraining], name: str) -> list[str]:
    """An accuracy of the first run, whose weights are exported, and its mean over all runs."""
    values = [100 * getattr(run, name) for run in runs]
    words = name.replace("_", " ").capitalize()
    facts = [f"{words} of these weights (seed {runs[0].seed}), tested once: {values[0]:.2f} %."]
    if len(values) > 1:
        spread = f"{mean(values):.2f} ± {stdev(values):.2f} %"
        facts.append(
            f"{words} of the architecture: {spread} (mean ± sd of {len(values)} seeds, each "
            "trained and tested once)."
        )
    return facts
