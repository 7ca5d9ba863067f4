"""Successive halving: who rests, who goes on, and that rests change nothing of a training."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.common.paths import checkpoint_file
from nas.search.asha import LOSSES, RUNG, SPARED, Halving, default_rungs, halving_of, is_paused
from nas.search.coordinator import sweep
from nas.search.lease import PAUSED, claim
from nas.search.queue import due_of
from nas.search.samplers import judged
from nas.search.study import create_study, pruned_ending
from nas.search.trial import Place, run_trial, same_candidates
from nas.space.space import SearchSpace, SpaceError
from nas.storage.open import open_storage
from nas.training.candidate import Candidate
from nas.training.lightning import train

Make = Callable[..., SearchSpace]
Run = Callable[..., Any]
RESTING = ["search.pruner=halving", "search.rungs=[1]", "search.control=0"]
HALVING = Halving(rungs=(1, 4), epochs=16, control=0.0, seed=0)


def trial(number: int, *losses: float, resting: bool = False, **attrs: Any) -> FrozenTrial:
    """A trial with a loss at each rung it reached; complete unless it rests."""
    reached = dict(zip(("1", "4"), losses, strict=False))
    state = TrialState.WAITING if resting else TrialState.COMPLETE
    if resting:
        attrs |= {PAUSED: True, RUNG: int(max(reached))}
    made = create_trial(
        state=state, value=None if resting else 0.5, user_attrs={LOSSES: reached} | attrs
    )
    made.number = number
    return made


def numbers(trials: list[FrozenTrial]) -> list[int]:
    return [one.number for one in trials]


def with_one_due(folder: Path, name: str, space: SearchSpace) -> tuple[Any, Any]:
    """A storage, and in it a study that is to have one trial, which is due."""
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


def test_the_best_quarter_of_a_rung_goes_on() -> None:
    resting = [trial(number, 2.0 - number / 10, resting=True) for number in range(8)]
    assert numbers(HALVING.promoted(resting)) == [7, 6]
    assert HALVING.promoted(resting[:3]) == [], "of three, none is the best quarter"


def test_the_furthest_goes_on_first() -> None:
    far = [trial(number, 1.0, 1.0 + number, resting=True) for number in range(4)]
    near = [trial(number, 0.5 if number == 4 else 2.0, resting=True) for number in range(4, 12)]
    assert numbers(HALVING.promoted(far + near)) == [0, 4]


def test_one_rests_unless_it_is_among_the_best_of_its_rung() -> None:
    others = [trial(number, 1.0 + number, resting=True) for number in range(3)]
    worse, better = trial(3, 9.0), trial(3, 0.5)
    assert HALVING.rests([*others, worse], worse, 1)
    assert not HALVING.rests([*others, better], better, 1)
    assert not HALVING.rests([*others, worse], worse, 2), "epoch 2 is no rung"
    taken_up = trial(3, 9.0, **{RUNG: 1})
    assert not HALVING.rests([*others, taken_up], taken_up, 1), "it was promoted from there"


def test_copies_take_no_place_in_a_ranking() -> None:
    copies = [trial(number, 0.1, reused_from=0) for number in range(4, 8)]
    resting = [trial(number, 2.0 - number / 10, resting=True) for number in range(4)]
    assert numbers(HALVING.promoted(resting + copies)) == [3]


def test_who_cannot_go_on_whatever_comes_is_hopeless() -> None:
    resting = [trial(number, 2.0 - number / 10, resting=True) for number in range(4)]
    assert numbers(HALVING.hopeless(resting, 8)) == [1, 0], "two of eight go on"
    assert HALVING.hopeless(resting, 100) == []


def test_one_of_a_small_rung_goes_on_once_all_were_there() -> None:
    resting = [trial(0, 2.0, resting=True), trial(1, 1.0, resting=True)]
    assert numbers(HALVING.due(resting, 2)) == [1]
    assert HALVING.due(resting, 3) == [], "another may come"
    running = trial(2)
    running.state = TrialState.RUNNING
    assert HALVING.due([*resting, running], 3) == []
    assert HALVING.hopeless(resting, 2) == [resting[0]]


def test_who_failed_takes_no_place_and_others_wait_until_it_cannot_fail_any_more() -> None:
    resting = [trial(number, 2.0 - number / 10, resting=True) for number in range(3)]
    first = trial(3, 0.5, **{RUNG: 1})
    first.state = TrialState.RUNNING
    assert numbers(HALVING.hopeless([*resting, first], 4)) == [1, 0], "2 may come in its place"
    first.state = TrialState.FAIL
    assert numbers(HALVING.due([*resting, first], 4)) == [2]
    first.state = TrialState.COMPLETE
    assert HALVING.due([*resting, first], 4) == []
    assert numbers(HALVING.hopeless([*resting, first], 4)) == [2, 1, 0]


def test_what_rests_at_a_rung_that_is_none_any_more_goes_on() -> None:
    resting = [trial(number, 2.0, resting=True) for number in range(2)]
    others = Halving(rungs=(2, 5), epochs=16, control=0.0, seed=0)
    assert numbers(others.due(resting, 2)) == [0, 1]


def test_the_control_set_is_drawn_by_number() -> None:
    halving = Halving(rungs=(1,), epochs=4, control=0.1, seed=3)
    drawn = [number for number in range(10_000) if halving.is_control(number)]
    assert 900 < len(drawn) < 1100
    assert not any(HALVING.is_control(number) for number in range(1000))


def test_the_control_set_goes_on_after_all_others() -> None:
    """Trial 0, the worst, is of it."""
    seed = next(s for s in range(99) if control_of(s) == [0])
    halving = Halving(rungs=(1, 4), epochs=16, control=0.2, seed=seed)
    resting = [trial(number, 2.0 - number / 10, resting=True) for number in range(4)]
    assert numbers(halving.due(resting, 4)) == [3], "the best goes first"
    ended = [*resting[:3], trial(3, 1.7, 1.0)]
    assert numbers(halving.due(ended, 4)) == [0]
    assert halving.due(ended, 5) == [], "another is to come"
    assert numbers(halving.hopeless(ended, 4)) == [2, 1]


def control_of(seed: int) -> list[int]:
    halving = Halving(rungs=(1,), epochs=4, control=0.2, seed=seed)
    return [number for number in range(4) if halving.is_control(number)]


def test_tpe_sees_a_rest_as_a_pruning_by_the_loss() -> None:
    seen = judged(trial(0, 2.0, 1.5, resting=True), sign=1)
    assert seen.state == TrialState.PRUNED
    assert seen.intermediate_values == {4: -1.5}
    assert judged(trial(0, 2.0, 1.5, **{SPARED: 1}), sign=-1).intermediate_values == {1: 2.0}
    whole = trial(0, 2.0, 1.5, **{RUNG: 4})
    assert judged(whole, sign=1) is whole


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
def test_rungs_where_nothing_can_rest_are_refused(
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
def test_tpe_draws_beside_resting_trials(objectives: str, space: Make, search_here: Run) -> None:
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


def test_workers_hear_that_more_trials_are_asked_for(space: Make) -> None:
    ours = space(*RESTING, "training.epochs=2")
    study = create_study(optuna.storages.InMemoryStorage(), "raised", ours)
    study.set_user_attr("num_trials", 1)
    study.add_trial(trial(0, 2.0, resting=True))
    due = due_of(study, ours)
    assert numbers(due(study)) == [0]
    study.set_user_attr("num_trials", 2)
    assert due(study) == []


def test_a_copy_of_what_rests_is_seen_as_that_is(space: Make, tmp_path: Path, fast: Path) -> None:
    one = [
        "architecture.depth=1",
        "architecture.stages.0.shortcut=none",
        "training.optimizer.lr=0.1",
    ]
    ours = space(*RESTING, "training.epochs=3", *one)
    storage, study = with_one_due(fast, "copies", ours)
    study.add_trial(create_trial(state=TrialState.WAITING))
    place = Place(data_dir=tmp_path, out=tmp_path, interrupted=lambda: False)
    for number in range(2):
        claimed = claim(storage, study, lambda study, at=number: study.get_trials()[at : at + 1])
        run_trial(storage, "copies", ours, claimed, place)
    first, copied = study.get_trials()
    assert is_paused(first)
    assert copied.user_attrs["reused_from"] == 0
    assert copied.state == TrialState.PRUNED
    seen = [judged(one, sign=1).intermediate_values for one in (first, copied)]
    assert seen[0] == seen[1]
    storage.set_trial_state_values(first._trial_id, TrialState.RUNNING)
    storage.set_trial_state_values(first._trial_id, TrialState.FAIL)
    candidate = Candidate.from_json(first.user_attrs["candidate"])
    assert numbers(same_candidates(study, candidate)) == [1], "what failed is no twin"


def test_who_was_killed_before_its_rest_was_written_down_rests(space: Make, tmp_path: Path) -> None:
    ours = space("training.epochs=3")
    candidate = ours.candidate(optuna.create_study().ask())
    asked: list[float] = []

    def rests(record: dict[str, float]) -> bool:
        asked.append(record["epoch"])
        return True

    options: Any = {"seed": 0, "data_dir": tmp_path, "checkpoint": tmp_path / "kept.pt"}
    for _ in range(2):
        trained = train(candidate, rests_after=rests, **options)
        assert trained.paused
        assert len(trained.result.curve) == 1
        assert trained.result.losses
    assert asked == [1, 1]
    assert len(train(candidate, **options).result.curve) == 3


def test_a_training_that_rested_ends_as_one_that_did_not(
    space: Make, tmp_path: Path, fast: Path
) -> None:
    ours = space(*RESTING, "training.epochs=3")
    storage = open_storage(f"sqlite:///{fast}/nas.db", create=True)
    place = Place(data_dir=tmp_path, out=tmp_path, interrupted=lambda: False)
    results, drawn = {}, []
    for name in ("rests", "does not"):
        study = create_study(storage, name, ours)
        study.add_trial(create_trial(state=TrialState.WAITING))
        settings = ours if name == "rests" else space("training.epochs=3", "search.pruner=none")
        run_trial(storage, name, settings, claim(storage, study), place)
        if name == "rests":
            (resting,) = study.get_trials()
            assert resting.user_attrs[PAUSED]
            assert resting.user_attrs[RUNG] == 1
            kept = checkpoint_file(tmp_path, name, 0)
            assert kept.exists()
            study.set_user_attr("num_trials", 1)
            run_trial(storage, name, ours, claim(storage, study, due_of(study, ours)), place)
            assert not kept.exists()
        (done,) = study.get_trials()
        assert done.state == TrialState.COMPLETE
        assert not done.user_attrs["pruned"]
        results[name] = json.loads(done.user_attrs["result"]) | {"seconds": 0}
        drawn.append(done.params)
    assert drawn[0] == drawn[1]
    assert results["rests"] == results["does not"]


def test_without_a_checkpoint_a_promoted_training_starts_anew_and_does_not_rest_again(
    space: Make, tmp_path: Path, fast: Path
) -> None:
    ours = space(*RESTING, "training.epochs=3")
    storage, study = with_one_due(fast, "elsewhere", ours)
    for machine in ("one", "other"):
        place = Place(data_dir=tmp_path, out=tmp_path / machine, interrupted=lambda: False)
        run_trial(storage, "elsewhere", ours, claim(storage, study, due_of(study, ours)), place)
    (done,) = study.get_trials()
    assert done.state == TrialState.COMPLETE
    assert len(json.loads(done.user_attrs["result"])["curve"]) == 3


def test_a_training_whose_state_cannot_be_saved_goes_on(
    space: Make, tmp_path: Path, fast: Path
) -> None:
    ours = space(*RESTING, "training.epochs=2")
    storage, study = with_one_due(fast, "full", ours)
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    place = Place(data_dir=tmp_path, out=tmp_path, interrupted=lambda: False)
    with pytest.warns(UserWarning, match="cannot be saved, and the training goes on without"):
        run_trial(storage, "full", ours, claim(storage, study), place)
    assert study.get_trials()[0].state == TrialState.COMPLETE


def test_with_several_objectives_a_rest_ends_with_all_their_values(space: Make) -> None:
    ours = space("search.pruner=halving", "search.objectives=[val_loss, parameters]")
    study = create_study(optuna.storages.InMemoryStorage(), "several", ours)
    result = {
        "curve": [{"epoch": 1.0, "val_loss": 2.0}],
        **dict.fromkeys(("parameters", "multiply_adds", "depth", "memory", "seed", "seconds"), 7),
    }
    resting = trial(0, 2.0, resting=True, result=json.dumps(result))
    assert pruned_ending(study, resting) == (TrialState.COMPLETE, [2.0, 7.0])
    result["curve"] = [{"epoch": 1.0, "val_loss": None}]
    broken = trial(0, 2.0, resting=True, result=json.dumps(result))
    assert pruned_ending(study, broken) == (TrialState.COMPLETE, [math.inf, 7.0])


def test_a_rest_ends_with_an_objective_that_no_epoch_tells(space: Make) -> None:
    ours = space("search.pruner=halving", "search.objectives=[parameters]")
    study = create_study(optuna.storages.InMemoryStorage(), "parameters", ours)
    numbers = ("parameters", "multiply_adds", "depth", "memory", "seed", "seconds")
    result = {"curve": [{"epoch": 1.0}], **dict.fromkeys(numbers, 7)}
    resting = trial(0, 2.0, resting=True, result=json.dumps(result))
    assert pruned_ending(study, resting) == (TrialState.PRUNED, [7.0])


def test_checkpoints_of_ended_trials_are_removed_and_others_kept(tmp_path: Path) -> None:
    trials = [trial(0, 2.0, resting=True), trial(1, 2.0, **{RUNG: 1})]
    files = [checkpoint_file(tmp_path, "study", number) for number in range(3)]
    files[0].parent.mkdir()
    for file in files:
        file.write_bytes(b"")
    sweep(tmp_path, "study", trials)
    assert [file.exists() for file in files] == [True, False, True]


def test_a_space_says_its_rungs(space: Make) -> None:
    assert halving_of(space()) is None
    asked = halving_of(space("search.pruner=halving", "search.rungs=[1, 3]", "training.epochs=8"))
    assert asked is not None
    assert (asked.rungs, asked.epochs, asked.share(1), asked.share(3)) == ((1, 3), 8, 1 / 3, 3 / 8)
