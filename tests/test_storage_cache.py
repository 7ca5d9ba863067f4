"""The cache of trials: what it tells is what Optuna reads, and what has not changed it does not."""

import random
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.search.lease import acquire, requeue
from nas.search.queue import are_same
from nas.storage import cache
from nas.storage.handles import trial_id_of
from nas.storage.open import open_storage
from nas.storage.retry_storage import watched


@pytest.fixture
def url(fast: Path) -> str:
    """A database with a study."""
    url = f"sqlite:///{fast}/nas.db"
    optuna.create_study(study_name="s", storage=open_storage(url, create=True))
    return url


def loaded(url: str) -> tuple[BaseStorage, optuna.Study]:
    """The study as another process sees it."""
    storage = open_storage(url)
    return storage, optuna.load_study(study_name="s", storage=storage)


def rest(storage: BaseStorage, trial: FrozenTrial, rung: int) -> None:
    """What a worker does that pauses its trial."""
    number = trial_id_of(trial)
    storage.set_trial_user_attr(number, "rung", rung)
    storage.set_trial_intermediate_value(number, rung, random.choice([0.5, float("inf")]))
    held = storage.get_trial(number).user_attrs.get("worker")
    assert requeue(storage, number, held)


def step(chance: random.Random, storage: BaseStorage, study: optuna.Study) -> None:
    """Something that a process may do to a study."""
    trials = study.get_trials(deepcopy=False)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    what = chance.choice(["add", "import", "take", "rest", "beat", "end", "fail"])
    if what == "add":
        study.add_trial(create_trial(state=TrialState.WAITING, user_attrs={"seed": 1}))
    elif what == "import":
        one = optuna.distributions.IntDistribution(0, 9)
        study.add_trial(create_trial(value=1.0, params={"x": 3}, distributions={"x": one}))
    elif what == "take":
        acquire(storage, study)
    elif running:
        trial = chance.choice(running)
        if what == "rest":
            rest(storage, trial, chance.randint(1, 9))
        elif what == "beat":
            storage.set_trial_system_attr(trial_id_of(trial), "beat", chance.randint(1, 9))
        elif what == "end":
            storage.set_trial_state_values(trial_id_of(trial), TrialState.COMPLETE, [0.5])
        else:
            storage.set_trial_state_values(trial_id_of(trial), TrialState.FAIL)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_others_do_it_tells_what_optuna_reads(url: str, seed: int) -> None:
    chance = random.Random(seed)
    one, other = loaded(url), loaded(url)
    database = optuna.storages.RDBStorage(url)
    storage, watching = loaded(url)
    for _ in range(60):
        for _ in range(chance.randint(1, 6)):
            step(chance, *chance.choice([one, other]))
        trials = database.get_all_trials(1)
        some = trials[-5:]
        assert [storage.get_trial(trial_id_of(trial)) for trial in some] == some
        assert watching.get_trials() == trials
    ended = {trial.state for trial in watching.get_trials()}
    assert ended >= {TrialState.WAITING, TrialState.COMPLETE, TrialState.FAIL}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[optuna.Study], list[int]]:
    """Looks at a study and tells the numbers of the trials that were read for it."""
    read: list[int] = []

    def note(name: str) -> None:
        reading = getattr(cache, name)

        def noted(*given: object) -> list[FrozenTrial]:
            found: list[FrozenTrial] = reading(*given)
            read.extend(trial.number for trial in found)
            return found

        monkeypatch.setattr(cache, name, noted)

    note("whole_trials")
    note("few_trials")

    def look(study: optuna.Study) -> list[int]:
        read.clear()
        study.get_trials(deepcopy=False)
        return sorted(read)

    return look


def test_trials_that_rest_are_read_once(
    url: str, reads: Callable[[optuna.Study], list[int]]
) -> None:
    storage, study = loaded(url)
    _, watching = loaded(url)
    for _ in range(4):
        study.add_trial(create_trial(state=TrialState.WAITING))
    taken = [trial for trial in (acquire(storage, study) for _ in range(3)) if trial]
    for trial in taken[:2]:
        rest(storage, trial, 1)
    assert reads(watching) == [0, 1, 2, 3]
    assert reads(watching) == [taken[2].number], "what runs may change at any time"
    before = watching.get_trials(deepcopy=False)
    assert are_same(watching.get_trials(deepcopy=False), before)
    again = acquire(storage, study)
    assert again is not None
    rest(storage, again, 2)
    assert reads(watching) == sorted({again.number, taken[2].number}), "it was away in between"
    assert watching.get_trials()[again.number].user_attrs["rung"] == 2
    assert not are_same(watching.get_trials(deepcopy=False), before)


def test_what_is_watched_is_one_object_until_a_trial_changes(url: str) -> None:
    storage, study = loaded(url)
    _, watching = loaded(url)
    assert watched(watching) is watched(watching)
    study.add_trial(create_trial(state=TrialState.WAITING))
    seen = watched(watching)
    assert [trial.state for trial in seen] == [TrialState.WAITING]
    assert watched(watching) is seen
    taken = acquire(storage, study)
    assert taken is not None
    running = watched(watching)
    assert running is not seen
    assert watched(watching) is running, "it runs, and has not changed"
    storage.set_trial_system_attr(trial_id_of(taken), "beat", 1)
    assert watched(watching)[0].system_attrs == {"beat": 1}
    others = study.get_trials(deepcopy=False)
    others.clear()
    assert len(study.get_trials(deepcopy=False)) == 1
