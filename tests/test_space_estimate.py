"""`nas check --cost`: what a search will take, before it is started."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import nas.space.estimate
from nas.common.devices import Device
from nas.common.text import duration
from nas.model.cost import cost
from nas.space.enumeration import RandomTrial, all_values
from nas.space.estimate import Timed, drawn, estimate, seconds_of, size_of, step_times
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate

Make = Callable[..., SearchSpace]


def test_it_says_sizes_and_times(space: Make, tmp_path: Path) -> None:
    ours = space()
    lines = estimate(ours, tmp_path).lines
    (_, small), (_, large) = ours.extremes()
    assert lines[0].startswith(f"smallest  {small.depth} layers, {small.parameters:,} parameters, ")
    assert lines[1].startswith(f"largest   {large.depth} layers, {large.parameters:,} parameters, ")
    assert re.match(r"A training step of 32 pictures takes \d+ to \d+ ms on one core", lines[2])
    assert re.search(r"ms on one core, a candidate about \d+ ± \d+ seconds\.$", lines[2])
    assert re.match(r"4 trials.* with 1 worker: about .* if none is pruned", lines[3])
    assert list(tmp_path.iterdir()) == [tmp_path / "space.yaml"]


def test_of_one_architecture_there_is_one_number_with_its_spread(
    space: Make, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(nas.space.estimate, "step_times", lambda *_: [0.9, 1.0, 1.1, 9.0, 0.95])
    one = ["architecture.depth=1", "architecture.stages.0.shortcut=none"]
    lines = estimate(space(*one, "search.duplicates=new_seed"), tmp_path).lines
    assert [line.split()[0] for line in lines] == ["network", "A", "4"]
    assert lines[1] == (
        "A training step of 32 pictures takes 1000 ± 148 ms on one core, a training about "
        "6 ± 1 seconds."
    )


def test_it_times_the_gpu_that_will_be_used(
    space: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[str] = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")

    def step_times(architecture: Any, training: Any, place: str) -> list[float]:
        places.append(place)
        return [0.2]

    monkeypatch.setattr(nas.space.estimate, "step_times", step_times)
    ours = space("search.workers=null")
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        lines = estimate(ours, tmp_path, Device("cuda", ("5",))).lines
        assert ("on a GPU" in lines[2]) is there
        assert "with 1 worker" in lines[3]
    assert places == ["cuda:1", "cuda:1", "cpu", "cpu"]


def test_repeats_take_no_time(space: Make, tmp_path: Path, monkeypatch: Any) -> None:
    """Eight candidates in all, of two learning rates."""
    monkeypatch.setattr(nas.space.estimate, "step_times", lambda *_: [100.0])
    timed = [Timed(1, 100.0, 0.0)]
    assert drawn(space("search.trials=100"), timed, 96)[1] == 8
    assert drawn(space("search.trials=100", "search.duplicates=new_seed"), timed, 96)[1] == 100
    line = estimate(space("search.trials=100"), tmp_path).lines[-1]
    assert line == (
        f"100 trials, about 8 of them new, with 1 worker: about {duration(8 * 600)} "
        "if none is pruned."
    )


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ([], 1.0),
        (["search.trials=8"], 2.0),
        (["training.epochs=20"], 10.0),
        (["dataset.train_size=192"], 2.0),
        (["search.workers=4"], 0.25),
        (["search.workers=64"], 0.25),
        (["training.batch_size=33"], 1.0),
        (["training.batch_size=96"], 1 / 3),
    ],
    ids=str,
)
def test_the_time_is_steps_by_trials_by_workers(
    settings: list[str], factor: float, space: Make, tmp_path: Path, monkeypatch: Any
) -> None:
    """96 pictures in batches of 32, 2 epochs, 4 trials: 24 steps of 100 seconds with one worker."""
    monkeypatch.setattr(nas.space.estimate, "step_times", lambda *_: [100.0])
    hours = 24 * 100 * factor
    found = estimate(space(*settings, "search.duplicates=new_seed"), tmp_path)
    assert found.seconds == hours
    assert f": about {duration(hours)} if none is pruned" in found.lines[-1]


def test_the_mean_lies_between_the_ends(space: Make) -> None:
    ours = space()
    (small, _), (large, _) = ours.extremes()
    timed = [Timed(size_of(small), 1.0, 0.0), Timed(size_of(large), 2.0, 0.0)]
    seconds, _ = drawn(ours, timed, 32)
    assert 2 * 1.0 < sum(seconds) / len(seconds) < 2 * 2.0
    assert min(seconds) == 2.0
    assert max(seconds) == 4.0


def test_what_a_step_moves_takes_time_too(space: Make) -> None:
    """Of two networks of about as many multiply-adds the deep and narrow one takes longer."""
    deep, wide = only(space, depth=9, width=4), only(space, depth=1, width=20)
    assert deep.cost().multiply_adds < wide.cost().multiply_adds
    least = size_of(wide.architecture) // 10
    timed = [Timed(least, 1.0, 0.0), Timed(100 * least, 100.0, 0.0)]
    assert seconds_of(timed, 32, deep) > 1.2 * seconds_of(timed, 32, wide)


def test_below_the_smallest_that_was_timed_it_is_proportional_to_size(space: Make) -> None:
    small = only(space, depth=1, width=4)
    size = size_of(small.architecture)
    timed = [Timed(2 * size, 1.0, 0.0), Timed(4 * size, 10.0, 0.0)]
    assert seconds_of(timed, 32, small) == pytest.approx(0.5 * small.training.epochs)


def only(space: Make, *, depth: int, width: int) -> Candidate:
    """The candidate of a space that has one."""
    settings = [f"architecture.depth={depth}", f"architecture.stages.0.width={width}"]
    return space(*settings).candidate(RandomTrial(random.Random(0), all_values))


def test_steps_are_timed_with_one_thread(space: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """As workers train; the number of threads is as before afterwards."""
    threads, ours = [], space()
    (_, (architecture, _)), (training, *_) = ours.extremes(), ours.trainings()
    monkeypatch.setattr(
        nas.space.estimate, "times_of", lambda *_: [threads.append(torch.get_num_threads()) or 1.0]
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        step_times(architecture, training)
        assert threads == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_large_networks_are_timed_on_few_pictures(space: Make, monkeypatch: Any) -> None:
    """So that a check neither fills the memory nor takes minutes."""
    ours = space()
    (_, (architecture, spent)) = ours.extremes()
    (training, *_) = ours.trainings()
    sizes = []
    real = nas.space.estimate.torch.randn

    def randn(num: int, *shape: int) -> Any:
        sizes.append(num)
        return real(num, *shape)

    monkeypatch.setattr(nas.space.estimate.torch, "randn", randn)
    assert min(step_times(architecture, training)) > 0
    monkeypatch.setattr(nas.space.estimate, "TIMED", 4 * cost(architecture).multiply_adds)
    assert min(step_times(architecture, training)) > 0
    monkeypatch.setattr(nas.space.estimate, "TIMED", 1)
    assert min(step_times(architecture, training)) > 0
    assert sizes == [32, 4, 2]
    assert spent.multiply_adds > 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 seconds"),
        (90, "90 seconds"),
        (120, "2.0 minutes"),
        (7199, "120.0 minutes"),
        (9000, "2.5 hours"),
    ],
)
def test_times_in_their_unit(seconds: float, words: str) -> None:
    assert duration(seconds) == words
