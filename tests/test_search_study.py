"""The study of a search: storage, claims, what is due, what is best."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import TINY
from optuna.trial import Trial, TrialState, create_trial

from nas.common.errors import StudyError
from nas.common.processes import is_alive, process_start, this_machine, this_worker
from nas.search.best_trials import best_first, best_trials
from nas.search.lease import acquire, requeue
from nas.search.pruners.registry import learned_objective, pruner_of
from nas.search.queue import refill_of
from nas.search.stale_trials import HEARTBEAT_TIMEOUT, UNNAMED_TIMEOUT, StaleTrialMonitor
from nas.search.study import create_study, for_trial, load_study, space_of
from nas.search.trial_attributes import HEARTBEAT
from nas.search.warm_start import warm_started
from nas.space.methods import PRUNERS, SAMPLERS
from nas.space.space import SearchSpace
from nas.storage.open import open_storage
from nas.storage.url import hidden

Make = Callable[..., SearchSpace]


@pytest.fixture
def backend(fast: Path) -> Any:
    return open_storage(f"sqlite:///{fast}/sub/nas.db", create=True)


@pytest.fixture
def memory() -> Any:
    """A storage without a disk, for tests that write much."""
    return optuna.storages.InMemoryStorage()


# Storage.


def test_a_storage_is_made_only_when_asked_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a/b/nas.db"
    with pytest.raises(StudyError, match=r"there is no study here yet .*nas search digits"):
        open_storage(url)
    assert list(tmp_path.iterdir()) == []
    open_storage(url, create=True)
    assert (tmp_path / "a/b/nas.db").exists()
    open_storage(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "runs/nas.db",
            "runs/nas.db cannot be opened: it is no URL. Write it as sqlite:///runs/nas",
        ),
        ("sqlite//runs/nas.db", "sqlite//runs/nas.db cannot be opened: it is no URL"),
        ("", "is no URL"),
        ("redis://host", "redis://host cannot be opened: .* Write it as"),
        ("sqlite://", "must be a file that workers share"),
        ("sqlite:///:memory:", "must be a file that workers share"),
        ("sqlite:////proc/none/nas.db", "cannot be opened: .*No such file"),
        ("sqlite:////dev/null/nas.db", "cannot be opened: .*(Not a directory|File exists)"),
    ],
)
def test_storages_that_cannot_be_are_told(url: str, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        open_storage(url, create=True)


@pytest.mark.parametrize("damage", ["text", "torn", "overwritten"])
def test_a_damaged_file_is_told(damage: str, tmp_path: Path, space: Make) -> None:
    file = tmp_path / "nas.db"
    url = f"sqlite:///{file}"
    create_study(open_storage(url, create=True), "tiny", space())
    data = file.read_bytes()
    file.write_bytes(
        {
            "text": b"name: tiny\n" * 500,
            "torn": data[:5000],
            "overwritten": data[:8192] + b"\xff" * 60_000 + data[68_192:],
        }[damage]
    )
    with pytest.raises(StudyError, match=r"cannot be opened: .*(not a database|malformed)"):
        open_storage(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///runs/nas.db", "sqlite:///runs/nas.db"),
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://me:se@cr:et@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("mysql+pymysql://me:secret@host/db", "mysql+pymysql://me:***@host/db"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert hidden(url) == shown


def test_a_password_is_not_shown_when_the_server_is_not_there() -> None:
    with pytest.raises(StudyError) as refusal:
        open_storage("postgresql://me:secret@127.0.0.1:1/db", create=True)
    assert "secret" not in str(refusal.value)
    assert "me:***@127.0.0.1" in str(refusal.value)


def test_two_processes_may_make_one_storage(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom nas.storage.open import open_storage\n"
        "from nas.search.study import create_study\n"
        "from nas.space.space import SearchSpace\n"
        "space = SearchSpace.load('digits')\ninput()\n"
        "create_study(open_storage(sys.argv[1], create=True), 'x', space)"
    )
    url = f"sqlite:///{tmp_path}/nas.db"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, url], stdin=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(60) for process in processes] == [0, 0]
    assert load_study(open_storage(url), None).study_name == "x"


# Studies.


def test_a_study_keeps_its_space(backend: Any, space: Make) -> None:
    ours = space("training.epochs=3", "training.optimizer.lr=[1e-05, 1e+06, 0.3]")
    again = space_of(create_study(backend, "x", ours))
    assert again.hash == ours.hash
    assert again.search == ours.search
    assert again.section == ours.section


def test_a_space_of_any_text_is_kept(backend: Any, tmp_path: Path, space: Make) -> None:
    import numpy as np

    odd = tmp_path / "b\N{GRINNING FACE}ld 'é' \\ \"x\" #.npz"
    pictures, labels = np.zeros((40, 8, 8, 1), np.uint8), np.arange(40) % 4
    split = {
        f"{kind}_{s}": v for s in ("train", "test") for kind, v in (("x", pictures), ("y", labels))
    }
    np.savez(odd, **split)
    ours = space(text=TINY.replace("digits, train_size: 96, validation_size: 40", "digits"))
    ours.source.data["dataset"] = {"name": "npz", "path": str(odd)}
    try:
        ours = SearchSpace.parse(ours.source)
    except StudyError:
        raise
    except ValueError as error:
        pytest.skip(f"another npz layout: {error}")
    assert space_of(create_study(backend, "x", ours)).dataset.path == str(odd)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("training.epochs=3", "made from another space"),
        ("architecture.depth=[1, 3]", "made from another space"),
        ("search.seed=1", "made from another seed"),
        ("search.objectives=[val_loss]", "made from another objectives"),
        ("search.objectives=[val_accuracy, parameters]", "made from another objectives"),
    ],
)
def test_a_changed_space_is_refused_in_words(
    backend: Any, space: Make, setting: str, words: str
) -> None:
    create_study(backend, "x", space())
    with pytest.raises(StudyError, match=rf"study 'x' exists and was {words}.*--study NAME"):
        create_study(backend, "x", space(setting))
    create_study(backend, "y", space(setting))


@pytest.mark.parametrize(
    "setting", ["search.trials=9", "search.sampler=tpe", "search.pruner=median", "search.workers=4"]
)
def test_what_does_not_change_the_space_may_change(backend: Any, space: Make, setting: str) -> None:
    create_study(backend, "x", space())
    assert space_of(create_study(backend, "x", space(setting))).search == space(setting).search


def test_a_study_of_another_program_is_left_alone(backend: Any, space: Make) -> None:
    theirs = optuna.create_study(storage=backend, study_name="x")
    theirs.optimize(lambda trial: trial.suggest_float("a", 0, 1), n_trials=1)
    with pytest.raises(StudyError, match="not made by `nas search`"):
        create_study(backend, "x", space())
    with pytest.raises(StudyError, match="not made by `nas search`"):
        warm_started(backend, "x", space())
    with pytest.raises(StudyError, match="not made by `nas search`"):
        space_of(load_study(backend, "x"))
    assert load_study(backend, "x").user_attrs == {}


def test_the_newest_study_is_the_default(backend: Any, space: Make) -> None:
    with pytest.raises(StudyError, match="no study here yet"):
        load_study(backend, None)
    for name in ("b", "c", "a"):
        create_study(backend, name, space())
    assert load_study(backend, None).study_name == "a"
    assert load_study(backend, "c").study_name == "c"
    with pytest.raises(StudyError, match="there is no study 'd'; there is a, b, c"):
        load_study(backend, "d")


def test_twins_are_not_the_newest_search_and_a_name_is_only_a_name(
    backend: Any, space: Make
) -> None:
    create_study(backend, "my-twins", space())
    assert load_study(backend, None).study_name == "my-twins"
    optuna.create_study(storage=backend, study_name="other").set_user_attr("twins_of", "my-twins")
    assert load_study(backend, None).study_name == "my-twins"


# Which trials are due, and who runs them.


def trials_of(study: Any) -> Any:
    return study.get_trials(deepcopy=False)


def test_few_trials_wait_and_no_more_than_asked_for(backend: Any, space: Make) -> None:
    study = create_study(backend, "x", space())
    refill = refill_of(study, space(), 5, 2)
    counts = []
    while not refill(trials_of(study)):
        waiting = [t for t in trials_of(study) if t.state == TrialState.WAITING]
        counts.append(len(waiting))
        study.tell(acquire(backend, study).number, 0.5)
    assert max(counts) == 2
    for _ in range(3):
        assert refill(trials_of(study))
    assert len(trials_of(study)) == 5


def test_two_searches_of_one_study_add_no_more_than_asked_for(tmp_path: Path, space: Make) -> None:
    url, searched = f"sqlite:///{tmp_path}/nas.db", space()
    create_study(open_storage(url, create=True), "x", searched)

    def add() -> None:
        study = load_study(open_storage(url), "x")
        refill = refill_of(study, searched, 6, 6)
        barrier.wait()
        refill(trials_of(study))

    barrier = threading.Barrier(3)
    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trials_of(load_study(open_storage(url), "x"))) == 6


def test_rejected_candidates_do_not_count_until_there_are_too_many(
    backend: Any, space: Make
) -> None:
    study = create_study(backend, "x", space())
    refill = refill_of(study, space(), 1, 1)

    def reject() -> None:
        refill(trials_of(study))
        taken = acquire(backend, study)
        backend.set_trial_user_attr(taken._trial_id, "rejected", "depth")
        study.tell(taken.number, state=TrialState.PRUNED)

    for _ in range(51):
        reject()
    with pytest.raises(StudyError, match="the constraints rejected 51 candidates"):
        reject()
    assert len(trials_of(study)) == 51


def test_a_trial_is_acquired_once(tmp_path: Path, space: Make) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    study = create_study(open_storage(url, create=True), "x", space())
    refill_of(study, space(), 8, 8)(trials_of(study))
    taken: list[int] = []

    def take() -> None:
        storage = open_storage(url)
        mine = load_study(storage, "x")
        barrier.wait()
        while (trial := acquire(storage, mine)) is not None:
            taken.append(trial.number)

    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(8))
    assert {t.user_attrs["worker"] for t in trials_of(study)} == {this_worker()}


def test_a_requeued_trial_is_pending_and_held_by_nobody(backend: Any, space: Make) -> None:
    study = create_study(backend, "x", space())
    refill_of(study, space(), 1, 1)(trials_of(study))
    taken = acquire(backend, study)
    assert acquire(backend, study) is None
    assert not requeue(backend, taken._trial_id, "somebody:1:1")
    assert trials_of(study)[0].state == TrialState.RUNNING, "it is not theirs to requeue"
    assert requeue(backend, taken._trial_id, this_worker())
    (trial,) = trials_of(study)
    assert trial.state == TrialState.WAITING
    assert trial.user_attrs["worker"] is None
    assert acquire(backend, study).number == taken.number
    study.tell(taken.number, 0.5)
    assert not requeue(backend, taken._trial_id, this_worker())
    assert trials_of(study)[0].state == TrialState.COMPLETE


def test_trials_of_dead_processes_are_requeued(backend: Any, space: Make) -> None:
    study = create_study(backend, "x", space())
    refill_of(study, space(), 4, 4)(trials_of(study))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    workers = [
        this_worker(),
        f"{this_machine()}:{dead.pid}:1",
        f"elsewhere:{dead.pid}:1",
        f"{this_machine()}:{os.getpid()}:1",
    ]
    for worker in workers:
        taken = acquire(backend, study)
        backend.set_trial_user_attr(taken._trial_id, "worker", worker)
    StaleTrialMonitor(backend).check(trials_of(study))
    states = [trial.state.name for trial in trials_of(study)]
    assert states == ["RUNNING", "WAITING", "RUNNING", "WAITING"]


def test_a_process_is_known_by_its_start_not_by_its_number_alone() -> None:
    assert is_alive(this_worker())
    host, pid, start = this_worker().rsplit(":", 2)
    assert is_alive(f"{host}:{pid}:{float(start) + 1}"), "the second of the boot is rounded"
    assert not is_alive(f"{host}:{pid}:{float(start) - 10}")
    assert process_start(2**22 + 1) == ""


@pytest.mark.parametrize("worker", ["me", 7, None, ["a"], "a:b", "elsewhere:abc:1", "\udc80:1:1"])
def test_what_is_no_name_of_a_worker_here_counts_as_running(worker: Any) -> None:
    """Until it is silent for too long."""
    assert is_alive(worker)


@pytest.mark.parametrize("rest", ["abc:1", "1:abc", "-1:1", f"{9**99}:1", "9" * 5000 + ":1", ":"])
def test_a_process_of_this_machine_that_cannot_be_is_dead(rest: str) -> None:
    assert not is_alive(f"{this_machine()}:{rest}")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def checked(monitor: StaleTrialMonitor, clock: Clock, study: Any, seconds: float) -> str:
    """Check a study every second for so long; the states of its trials then."""
    for _ in range(round(seconds)):
        clock.now += 1
        monitor.check(trials_of(study))
    return " ".join(trial.state.name for trial in trials_of(study))


def test_a_trial_just_claimed_may_have_no_name_yet(memory: Any, space: Make) -> None:
    study = create_study(memory, "x", space())
    refill_of(study, space(), 1, 1)(trials_of(study))
    memory.set_trial_state_values(trials_of(study)[0]._trial_id, state=TrialState.RUNNING)
    clock = Clock()
    monitor = StaleTrialMonitor(memory, clock=clock)
    assert checked(monitor, clock, study, UNNAMED_TIMEOUT) == "RUNNING"
    assert checked(monitor, clock, study, 3) == "WAITING"


def test_a_worker_elsewhere_is_gone_when_it_is_silent(memory: Any, space: Make) -> None:
    """Told by beats alone: the date at which the trial started may be anything."""
    study = create_study(memory, "x", space())
    refill_of(study, space(), 1, 1)(trials_of(study))
    taken = acquire(memory, study)
    memory.set_trial_user_attr(taken._trial_id, "worker", "elsewhere:1:1")
    clock = Clock()
    monitor = StaleTrialMonitor(memory, clock=clock)
    for beat in range(5):
        memory.set_trial_system_attr(taken._trial_id, HEARTBEAT, beat)
        assert checked(monitor, clock, study, HEARTBEAT_TIMEOUT / 2) == "RUNNING"
    clock.now += 10 * HEARTBEAT_TIMEOUT  # the storage was away, nobody could beat or look
    assert checked(monitor, clock, study, HEARTBEAT_TIMEOUT / 3) == "RUNNING"
    assert checked(monitor, clock, study, HEARTBEAT_TIMEOUT) == "WAITING"


def test_a_silent_worker_of_this_machine_is_killed_first(memory: Any, space: Make) -> None:
    study = create_study(memory, "x", space())
    refill_of(study, space(), 1, 1)(trials_of(study))
    acquire(memory, study)
    killed: list[str] = []
    clock = Clock()
    monitor = StaleTrialMonitor(memory, lambda worker: not killed.append(worker), clock)
    assert checked(monitor, clock, study, HEARTBEAT_TIMEOUT + 2) == "RUNNING", (
        "who killed it requeues"
    )
    assert set(killed) == {this_worker()}


def test_each_trial_draws_from_a_seed_of_its_own(backend: Any, space: Make) -> None:
    """So that a resumed search draws what an uninterrupted one would have drawn."""
    ours = space("search.sampler=random", "training.warmup={low: 0, high: 1}")
    create_study(backend, "x", ours)

    def draw(number: int) -> float:
        study = for_trial(backend, "x", ours, number)
        return study.sampler.sample_independent(study, None, "a", FLOAT)

    assert draw(3) == draw(3)
    assert len({draw(number) for number in range(20)}) == 20


FLOAT = optuna.distributions.FloatDistribution(0, 1)


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_samplers_are_made_from_a_seed(sampler: str) -> None:
    assert isinstance(SAMPLERS[sampler](0), optuna.samplers.BaseSampler)


@pytest.mark.parametrize("pruner", [name for name in PRUNERS if name != "halving"])
@pytest.mark.parametrize(
    "objectives", [["val_accuracy"], ["val_loss"], ["parameters", "val_accuracy"]]
)
def test_pruners_stop_the_worse_and_keep_the_better(
    pruner: str, objectives: list[str], memory: Any, space: Make
) -> None:
    """Also where the study has several objectives, which Optuna's pruners refuse."""
    ours = space(f"search.pruner={pruner}", f"search.objectives={objectives}", "training.epochs=16")
    learned, judge = learned_objective(ours), pruner_of(ours)
    sign = -1 if learned == "val_loss" else 1
    study = create_study(memory, "x", ours)
    pruned: dict[str, list[bool]] = {"good": [], "bad": []}
    for number in range(24):
        kind = "bad" if number % 6 == 5 else "good"
        value = sign * ((0.1 if kind == "bad" else 0.9) + number / 1000)
        trial_id = memory.create_new_trial(study._study_id)
        mine = for_trial(memory, "x", ours, number)
        stopped = False
        for epoch in range(1, 17):
            memory.set_trial_intermediate_value(trial_id, epoch, value)
            stopped = stopped or judge.should_prune(mine, Trial(mine, trial_id), epoch)
        pruned[kind].append(stopped)
        if stopped:
            memory.set_trial_state_values(trial_id, state=TrialState.PRUNED)
        else:
            values = [value] * len(objectives)
            memory.set_trial_state_values(trial_id, state=TrialState.COMPLETE, values=values)
    if pruner == "none":
        assert not any(pruned["good"] + pruned["bad"])
    else:
        assert any(pruned["bad"])
        assert not all(pruned["good"])
        assert sum(pruned["bad"]) / 4 >= sum(pruned["good"]) / 20


def test_values_from_before_an_interruption_do_not_prune(memory: Any, space: Make) -> None:
    """A resumed trial is judged by the epochs it has run again, as an uninterrupted one is."""
    ours = space("search.pruner=median", "training.epochs=8")
    study = create_study(memory, "x", ours)
    for _ in range(6):
        curve = {epoch: 0.1 if epoch < 6 else 0.9 for epoch in range(1, 9)}
        study.add_trial(create_trial(value=0.9, intermediate_values=curve))
    trial_id = memory.create_new_trial(study._study_id)
    for epoch in range(1, 7):
        memory.set_trial_intermediate_value(trial_id, epoch, 0.2)
    mine = for_trial(memory, "x", ours, 6)
    trial, median = Trial(mine, trial_id), pruner_of(ours)
    assert median.should_prune(mine, trial, 6)
    assert not median.should_prune(mine, trial, 4)
    assert memory.get_trial(trial_id).last_step == 6


# What is best.


def finished(study: Any, values: list[list[float]], **attributes: Any) -> None:
    for one in values:
        study.add_trial(create_trial(values=one, user_attrs=attributes))


def test_the_best_is_the_first_of_equals(memory: Any, space: Make) -> None:
    study = create_study(memory, "x", space())
    finished(study, [[0.5], [0.9], [0.9], [0.1]])
    finished(study, [[0.99]], pruned=True)
    study.add_trial(create_trial(state=TrialState.FAIL))
    assert [trial.number for trial in best_trials(study)] == [1]
    assert [trial.number for trial in best_first(study)] == [1, 2, 0, 3]


def test_lower_is_better_where_it_is(memory: Any, space: Make) -> None:
    study = create_study(memory, "x", space("search.objectives=[val_loss]"))
    finished(study, [[0.5], [0.1], [float("inf")]])
    assert [trial.number for trial in best_trials(study)] == [1]
    assert [trial.number for trial in best_first(study)] == [1, 0, 2]


def test_the_pareto_front_is_that_of_brute_force(memory: Any, space: Make) -> None:
    import random

    study = create_study(memory, "x", space("search.objectives=[val_accuracy, parameters]"))
    random.seed(0)
    points = [[random.randrange(6) / 5, float(random.randrange(6))] for _ in range(40)]
    finished(study, points)
    front = {
        (a, p)
        for a, p in points
        if not any((x >= a and y <= p) and (x, y) != (a, p) for x, y in points)
    }
    found = [tuple(trial.values) for trial in best_trials(study)]
    assert sorted(found) == sorted(front)
    assert json.dumps(found)
