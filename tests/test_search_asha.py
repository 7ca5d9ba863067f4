"""ASHA: which trials pause, which are promoted, and that pauses change nothing of a training."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import PAUSING
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.common.paths import checkpoint_file
from nas.search.duplicates import same_candidates
from nas.search.lease import acquire
from nas.search.pruners.asha import Asha, default_rungs
from nas.search.pruners.base import NoPruner
from nas.search.pruners.registry import pruner_of
from nas.search.queue import pending_of
from nas.search.run import remove_left_checkpoints
from nas.search.samplers.subsampled_tpe import as_pruned_at_rung
from nas.search.study import create_study
from nas.search.trial import TrialEnvironment, run_trial
from nas.search.trial_attributes import CONTROL_RUNG, PAUSED, RUNG, RUNG_LOSSES, is_paused
from nas.search.trial_results import ending_of_paused
from nas.space.space import SearchSpace, SpaceError
from nas.storage.open import open_storage
from nas.training.candidate import Candidate
from nas.training.lightning import train

Make = Callable[..., SearchSpace]
Run = Callable[..., Any]
ASHA = Asha(rungs=(1, 4), epochs=16, control=0.0, seed=0)


def trial(number: int, *losses: float, paused: bool = False, **attrs: Any) -> FrozenTrial:
    """A trial with a loss at each rung it reached; complete unless it is paused."""
    reached = dict(zip(("1", "4"), losses, strict=False))
    state = TrialState.WAITING if paused else TrialState.COMPLETE
    if paused:
        attrs |= {PAUSED: True, RUNG: int(max(reached))}
    made = create_trial(
        state=state, value=None if paused else 0.5, user_attrs={RUNG_LOSSES: reached} | attrs
    )
    made.number = number
    return made


def numbers(trials: list[FrozenTrial]) -> list[int]:
    return [one.number for one in trials]


def with_one_pending(folder: Path, name: str, space: SearchSpace) -> tuple[Any, Any]:
    """A storage, and in it a study that is to have one trial, which waits."""
    storage = open_storage(f"sqlite:///{folder}/nas.db", create=True)
    study = create_study(storage, name, space)
    study.set_user_attr("num_trials", 1)
    study.add_trial(create_trial(state=TrialState.WAITING))
    return storage, study


@pytest.mark.parametrize(
    ("epochs", "rungs"),
    [(1, []), (2, [1]), (4, [1, 2]), (12, [1, 2, 3]), (16, [1, 2, 4]), (64, [1, 2, 4, 16])],
)
def test_rungs_are_a_quarter_of_each_other(epochs: int, rungs: list[int]) -> None:
    assert default_rungs(epochs) == rungs


def test_the_best_quarter_of_a_rung_is_promoted() -> None:
    paused = [trial(number, 2.0 - number / 10, paused=True) for number in range(8)]
    assert numbers(ASHA.promoted(paused)) == [7, 6]
    assert ASHA.promoted(paused[:3]) == [], "of three, none is the best quarter"


def test_those_of_the_highest_rung_are_promoted_first() -> None:
    far = [trial(number, 1.0, 1.0 + number, paused=True) for number in range(4)]
    near = [trial(number, 0.5 if number == 4 else 2.0, paused=True) for number in range(4, 12)]
    assert numbers(ASHA.promoted(far + near)) == [0, 4]


def test_a_trial_pauses_unless_it_is_among_the_best_of_its_rung() -> None:
    others = [trial(number, 1.0 + number, paused=True) for number in range(3)]
    worse, better = trial(3, 9.0), trial(3, 0.5)
    assert ASHA.pauses([*others, worse], worse, 1)
    assert not ASHA.pauses([*others, better], better, 1)
    assert not ASHA.pauses([*others, worse], worse, 2), "epoch 2 is no rung"
    taken_up = trial(3, 9.0, **{RUNG: 1})
    assert not ASHA.pauses([*others, taken_up], taken_up, 1), "it was promoted from there"


def test_copies_take_no_place_in_a_ranking() -> None:
    copies = [trial(number, 0.1, reused_from=0) for number in range(4, 8)]
    paused = [trial(number, 2.0 - number / 10, paused=True) for number in range(4)]
    assert numbers(ASHA.promoted(paused + copies)) == [3]


def test_a_trial_that_cannot_be_promoted_whatever_comes_is_unreachable() -> None:
    paused = [trial(number, 2.0 - number / 10, paused=True) for number in range(4)]
    assert numbers(ASHA.unreachable(paused, 8)) == [1, 0], "two of eight go on"
    assert ASHA.unreachable(paused, 100) == []


def test_one_of_a_small_rung_is_promoted_once_all_were_there() -> None:
    paused = [trial(0, 2.0, paused=True), trial(1, 1.0, paused=True)]
    assert numbers(ASHA.pending(paused, 2)) == [1]
    assert ASHA.pending(paused, 3) == [], "another may come"
    running = trial(2)
    running.state = TrialState.RUNNING
    assert ASHA.pending([*paused, running], 3) == []
    assert ASHA.unreachable(paused, 2) == [paused[0]]


def test_a_failed_trial_takes_no_place_and_others_wait_until_it_cannot_fail() -> None:
    paused = [trial(number, 2.0 - number / 10, paused=True) for number in range(3)]
    first = trial(3, 0.5, **{RUNG: 1})
    first.state = TrialState.RUNNING
    assert numbers(ASHA.unreachable([*paused, first], 4)) == [1, 0], "2 may come in its place"
    first.state = TrialState.FAIL
    assert numbers(ASHA.pending([*paused, first], 4)) == [2]
    first.state = TrialState.COMPLETE
    assert ASHA.pending([*paused, first], 4) == []
    assert numbers(ASHA.unreachable([*paused, first], 4)) == [2, 1, 0]


def test_a_trial_paused_at_a_rung_that_is_none_now_goes_on() -> None:
    paused = [trial(number, 2.0, paused=True) for number in range(2)]
    others = Asha(rungs=(2, 5), epochs=16, control=0.0, seed=0)
    assert numbers(others.pending(paused, 2)) == [0, 1]


def test_the_control_group_is_drawn_by_number() -> None:
    asha = Asha(rungs=(1,), epochs=4, control=0.1, seed=3)
    drawn = [number for number in range(10_000) if asha.is_control(number)]
    assert 900 < len(drawn) < 1100
    assert not any(ASHA.is_control(number) for number in range(1000))


def test_the_control_group_is_promoted_after_all_others() -> None:
    """Trial 0, the worst, is of it."""
    seed = next(s for s in range(99) if control_of(s) == [0])
    asha = Asha(rungs=(1, 4), epochs=16, control=0.2, seed=seed)
    paused = [trial(number, 2.0 - number / 10, paused=True) for number in range(4)]
    assert numbers(asha.pending(paused, 4)) == [3], "the best goes first"
    ended = [*paused[:3], trial(3, 1.7, 1.0)]
    assert numbers(asha.pending(ended, 4)) == [0]
    assert asha.pending(ended, 5) == [], "another is to come"
    assert numbers(asha.unreachable(ended, 4)) == [2, 1]


def control_of(seed: int) -> list[int]:
    asha = Asha(rungs=(1,), epochs=4, control=0.2, seed=seed)
    return [number for number in range(4) if asha.is_control(number)]


def test_tpe_sees_a_paused_trial_as_pruned_by_its_loss() -> None:
    seen = as_pruned_at_rung(trial(0, 2.0, 1.5, paused=True), sign=1)
    assert seen.state == TrialState.PRUNED
    assert seen.intermediate_values == {4: -1.5}
    assert as_pruned_at_rung(
        trial(0, 2.0, 1.5, **{CONTROL_RUNG: 1}), sign=-1
    ).intermediate_values == {1: 2.0}
    whole = trial(0, 2.0, 1.5, **{RUNG: 4})
    assert as_pruned_at_rung(whole, sign=1) is whole


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["search.rungs=[1]"], "pruner none knows no rungs: take pruner: halving"),
        (["search.pruner=halving", "search.rungs=[2]"], "2 is no epoch to rest after"),
        (["search.pruner=halving", "search.rungs=[2, 1]"], "must rise"),
        (["search.pruner=halving", "search.rungs=[0]"], "greater than or equal to 1"),
        (["search.control=1.5"], "less than or equal to 1"),
    ],
)
def test_rungs_at_which_nothing_can_pause_are_refused(
    settings: list[str], words: str, space: Make
) -> None:
    with pytest.raises(SpaceError, match=words):
        space(*settings)


def test_a_search_ends_with_the_trials_asked_for(space: Make, search_here: Run) -> None:
    """Real trainings, among them some that rested and went on to the end."""
    ours = space(
        "search.pruner=halving",
        "search.rungs=[1, 2]",
        "search.control=0.2",
        "training.epochs=4",
        "search.sampler=tpe",
        "architecture.depth={low: 1, high: 4}",
        "training.optimizer={sgd: {lr: {low: 1e-3, high: 0.3, log: true}}}",
    )
    study = search_here(ours, 14)
    trials = study.get_trials()
    assert len(trials) == 14
    assert {one.state for one in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    rested = [one for one in trials if RUNG in one.user_attrs]
    assert any(one.state == TrialState.COMPLETE for one in rested)
    for one in trials:
        curve = json.loads(one.user_attrs["result"])["curve"]
        assert [record["epoch"] for record in curve] == list(range(1, len(curve) + 1))
        assert sorted(one.intermediate_values) == list(range(1, len(curve) + 1))
        assert (one.state == TrialState.PRUNED) == bool(one.user_attrs["pruned"])
        if one.state == TrialState.PRUNED and "reused_from" not in one.user_attrs:
            assert one.last_step == one.user_attrs[RUNG]
            assert one.value == one.intermediate_values[one.last_step]


@pytest.mark.parametrize("objectives", ["[val_loss]", "[val_accuracy, parameters]"])
def test_tpe_draws_beside_paused_trials(objectives: str, space: Make, search_here: Run) -> None:
    ours = space(
        "search.pruner=halving",
        "search.rungs=[1]",
        f"search.objectives={objectives}",
        "search.sampler=tpe",
        "search.probes=false",
        "architecture.depth={low: 1, high: 4}",
    )
    study = search_here(ours, 14)
    assert len(study.trials) == 14
    assert all(one.state.is_finished() and one.values for one in study.trials)


def test_a_grid_that_is_smaller_than_what_was_asked_for_ends(space: Make, search_here: Run) -> None:
    ours = space(
        "search.pruner=halving",
        "search.rungs=[1, 2]",
        "training.epochs=3",
        "search.sampler=grid",
        "architecture.depth={low: 1, high: 3}",
        "architecture.shortcut=[identity, none]",
    )
    points = len(ours.grid(100))
    study = search_here(ours, points + 8)
    assert len(study.trials) == points
    assert all(one.state.is_finished() for one in study.trials)
    assert any(one.state == TrialState.COMPLETE for one in study.trials)


def test_workers_learn_that_more_trials_are_asked_for(space: Make) -> None:
    ours = space(*PAUSING, "training.epochs=2")
    study = create_study(optuna.storages.InMemoryStorage(), "raised", ours)
    study.set_user_attr("num_trials", 1)
    study.add_trial(trial(0, 2.0, paused=True))
    due = pending_of(study, ours)
    assert numbers(due(study)) == [0]
    study.set_user_attr("num_trials", 2)
    assert due(study) == []


def test_a_copy_of_a_paused_trial_is_seen_as_that_is(
    space: Make, tmp_path: Path, fast: Path
) -> None:
    one = [
        "architecture.depth=1",
        "architecture.stages.0.shortcut=none",
        "training.optimizer.lr=0.1",
    ]
    ours = space(*PAUSING, "training.epochs=3", *one)
    storage, study = with_one_pending(fast, "copies", ours)
    study.add_trial(create_trial(state=TrialState.WAITING))
    environment = TrialEnvironment(data_dir=tmp_path, out=tmp_path, interrupted=lambda: False)
    for number in range(2):
        claimed = acquire(storage, study, lambda study, at=number: study.get_trials()[at : at + 1])
        run_trial(storage, "copies", ours, claimed, environment)
    first, copied = study.get_trials()
    assert is_paused(first)
    assert copied.user_attrs["reused_from"] == 0
    assert copied.state == TrialState.PRUNED
    seen = [as_pruned_at_rung(one, sign=1).intermediate_values for one in (first, copied)]
    assert seen[0] == seen[1]
    storage.set_trial_state_values(first._trial_id, TrialState.RUNNING)
    storage.set_trial_state_values(first._trial_id, TrialState.FAIL)
    candidate = Candidate.from_json(first.user_attrs["candidate"])
    assert numbers(same_candidates(study, candidate)) == [1], "what failed is no twin"


def test_a_training_killed_before_its_pause_was_written_pauses(space: Make, tmp_path: Path) -> None:
    ours = space("training.epochs=3")
    candidate = ours.candidate(optuna.create_study().ask())
    asked: list[float] = []

    def rests(record: dict[str, float]) -> bool:
        asked.append(record["epoch"])
        return True

    options: Any = {"seed": 0, "data_dir": tmp_path, "checkpoint": tmp_path / "kept.pt"}
    for _ in range(2):
        trained = train(candidate, pause_after=rests, **options)
        assert trained.paused
        assert len(trained.result.curve) == 1
        assert trained.result.losses
    assert asked == [1, 1]
    assert len(train(candidate, **options).result.curve) == 3


def test_a_training_that_was_paused_ends_as_one_that_was_not(
    space: Make, tmp_path: Path, fast: Path
) -> None:
    ours = space(*PAUSING, "training.epochs=3")
    storage = open_storage(f"sqlite:///{fast}/nas.db", create=True)
    environment = TrialEnvironment(data_dir=tmp_path, out=tmp_path, interrupted=lambda: False)
    results, drawn = {}, []
    for name in ("rests", "does not"):
        study = create_study(storage, name, ours)
        study.add_trial(create_trial(state=TrialState.WAITING))
        settings = ours if name == "rests" else space("training.epochs=3", "search.pruner=none")
        run_trial(storage, name, settings, acquire(storage, study), environment)
        if name == "rests":
            (paused,) = study.get_trials()
            assert paused.user_attrs[PAUSED]
            assert paused.user_attrs[RUNG] == 1
            kept = checkpoint_file(tmp_path, name, 0)
            assert kept.exists()
            study.set_user_attr("num_trials", 1)
            again = acquire(storage, study, pending_of(study, ours))
            run_trial(storage, name, ours, again, environment)
            assert not kept.exists()
        (done,) = study.get_trials()
        assert done.state == TrialState.COMPLETE
        assert not done.user_attrs["pruned"]
        results[name] = json.loads(done.user_attrs["result"]) | {"seconds": 0}
        drawn.append(done.params)
    assert drawn[0] == drawn[1]
    assert results["rests"] == results["does not"]


def test_without_a_checkpoint_a_promoted_training_starts_anew_and_does_not_pause_again(
    space: Make, tmp_path: Path, fast: Path
) -> None:
    ours = space(*PAUSING, "training.epochs=3")
    storage, study = with_one_pending(fast, "elsewhere", ours)
    for machine in ("one", "other"):
        environment = TrialEnvironment(
            data_dir=tmp_path, out=tmp_path / machine, interrupted=lambda: False
        )
        run_trial(
            storage,
            "elsewhere",
            ours,
            acquire(storage, study, pending_of(study, ours)),
            environment,
        )
    (done,) = study.get_trials()
    assert done.state == TrialState.COMPLETE
    assert len(json.loads(done.user_attrs["result"])["curve"]) == 3


def test_a_training_whose_state_cannot_be_saved_goes_on(
    space: Make, tmp_path: Path, fast: Path
) -> None:
    ours = space(*PAUSING, "training.epochs=2")
    storage, study = with_one_pending(fast, "full", ours)
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    environment = TrialEnvironment(data_dir=tmp_path, out=tmp_path, interrupted=lambda: False)
    with pytest.warns(UserWarning, match="cannot be saved, and the training goes on without"):
        run_trial(storage, "full", ours, acquire(storage, study), environment)
    assert study.get_trials()[0].state == TrialState.COMPLETE


def test_with_several_objectives_a_paused_trial_ends_with_all_their_values(space: Make) -> None:
    ours = space("search.pruner=halving", "search.objectives=[val_loss, parameters]")
    study = create_study(optuna.storages.InMemoryStorage(), "several", ours)
    result = {
        "curve": [{"epoch": 1.0, "val_loss": 2.0}],
        **dict.fromkeys(("parameters", "multiply_adds", "depth", "memory", "seed", "seconds"), 7),
    }
    paused = trial(0, 2.0, paused=True, result=json.dumps(result))
    assert ending_of_paused(study, paused) == (TrialState.COMPLETE, [2.0, 7.0])
    result["curve"] = [{"epoch": 1.0, "val_loss": None}]
    broken = trial(0, 2.0, paused=True, result=json.dumps(result))
    assert ending_of_paused(study, broken) == (TrialState.COMPLETE, [math.inf, 7.0])


def test_a_paused_trial_ends_with_an_objective_that_no_epoch_has(space: Make) -> None:
    ours = space("search.pruner=halving", "search.objectives=[parameters]")
    study = create_study(optuna.storages.InMemoryStorage(), "parameters", ours)
    numbers = ("parameters", "multiply_adds", "depth", "memory", "seed", "seconds")
    result = {"curve": [{"epoch": 1.0}], **dict.fromkeys(numbers, 7)}
    paused = trial(0, 2.0, paused=True, result=json.dumps(result))
    assert ending_of_paused(study, paused) == (TrialState.PRUNED, [7.0])


def test_checkpoints_of_ended_trials_are_removed_and_others_kept(tmp_path: Path) -> None:
    trials = [trial(0, 2.0, paused=True), trial(1, 2.0, **{RUNG: 1})]
    files = [checkpoint_file(tmp_path, "study", number) for number in range(3)]
    files[0].parent.mkdir()
    for file in files:
        file.write_bytes(b"")
    remove_left_checkpoints(tmp_path, "study", trials)
    assert [file.exists() for file in files] == [True, False, True]


def test_a_space_says_its_rungs(space: Make) -> None:
    assert isinstance(pruner_of(space()), NoPruner)
    asked = pruner_of(space("search.pruner=halving", "search.rungs=[1, 3]", "training.epochs=8"))
    assert isinstance(asked, Asha)
    assert (asked.rungs, asked.epochs, asked.share(1), asked.share(3)) == ((1, 3), 8, 1 / 3, 3 / 8)
