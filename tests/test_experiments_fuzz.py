"""Hostile spaces, settings and stored candidates; the long form is in experiments/fuzz."""

import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1]))

from experiments.fuzz import files, judge, mutations, studies  # noqa: E402
from experiments.fuzz.candidates import CANDIDATES  # noqa: E402
from nas.space.space import SearchSpace  # noqa: E402

examples = hypothesis.settings(
    max_examples=300,
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to write spaces to; the memory of earlier tests is not ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judge, "MOST_BYTES", judge.MOST_BYTES + judge.peak_bytes())


@examples
@given(mutations.spaces())
def test_a_mutated_space_is_buildable_or_refused_with_its_place(raw: bytes) -> None:
    judge.check_space(raw, [])


@examples
@given(st.sampled_from(mutations.TEXTS), st.lists(mutations.settings(), min_size=1, max_size=2))
def test_mutated_settings_are_buildable_or_refused_with_their_key(
    text: str, settings: list[str]
) -> None:
    judge.check_space(text.encode(), settings)


@examples
@given(mutations.stored(CANDIDATES))
def test_a_mutated_candidate_is_buildable_or_refused(text: str) -> None:
    judge.check_stored(text)


@pytest.fixture(scope="module")
def good_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.db"
    studies.make_database(path)
    return path


@hypothesis.settings(examples, max_examples=6)
@given(studies.changes())
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_study_is_told_or_left_out(
    good_database: Path, done: list[tuple[Any, ...]]
) -> None:
    studies.check_study(good_database, done)


@pytest.mark.filterwarnings("ignore")
def test_a_good_study_is_accepted(good_database: Path) -> None:
    assert studies.check_study(good_database, []).outcome == "accepted"


FILES = {
    "npz": (files.npz(), files.check_npz),
    "folders": (files.folders(), files.check_folder),
    "archives": (files.archives(), files.check_archive),
    "batches": (files.batches(), files.check_batch),
}


@pytest.mark.parametrize("kind", FILES)
def test_damaged_files_are_pictures_or_refused(kind: str) -> None:
    inputs, check = FILES[kind]

    @examples
    @given(inputs)
    def one(value: Any) -> None:
        check(value)

    one()


def test_both_ends_are_reached() -> None:
    """A judge that refused or accepted everything would find nothing."""
    found = {judge.check_space(text.encode(), []).outcome for text in mutations.TEXTS}
    assert found == {"accepted"}
    assert judge.check_space(b"name: x", []).outcome == "refused"
    assert {judge.check_stored(text).outcome for text in CANDIDATES} == {"accepted"}
    assert judge.check_stored(CANDIDATES[0][:-1]).outcome == "refused"


@pytest.mark.parametrize("outcome", ["hangs", "falls"])
def test_the_judge_sees_what_breaks_a_bar(outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(space: SearchSpace) -> None:
        if outcome == "falls":
            raise OverflowError
        while True:
            sum(range(10_000))
            if judge.time.process_time() > start + 1:
                return

    start = judge.time.process_time()
    monkeypatch.setattr(judge, "build", build)
    monkeypatch.setattr(judge, "MOST_SECONDS", 0.5)
    with pytest.raises(AssertionError if outcome == "hangs" else OverflowError):
        judge.check_space(mutations.TEXTS[0].encode(), [])


#: what took minutes or fell before sizes were bounded
STAGE = "{width: {low: 4, high: 100000}, block: [basic, {bottleneck: {ratio: [0.5, 1]}}]}"
HEAVY = {
    "64 stages": "depth: {low: 1, high: 31}, stages: [" + ", ".join([STAGE] * 64) + "]",
    "widest": "depth: 1000, stages: [{width: 100000}, {width: 100000}]",
    "256 widths": f"depth: 1, stages: [{{width: {list(range(1, 257))}}}, {{width: 9}}]",
    "deepest": "stages: [{width: 1, depth: 2000, shortcut: [identity, none]}]",
}
TOO_MUCH = {
    "blocks": "depth: {low: 1, high: 32}, stages: [" + ", ".join([STAGE] * 64) + "]",
    "depth": "depth: 2001, stages: [{width: 8}]",
    "width": "depth: 1, stages: [{width: 100001}]",
    "values": f"depth: 1, stages: [{{width: {list(range(1, 258))}}}]",
    "channels": "depth: 1, stages: [{width: 100, block: {bottleneck: {ratio: 1001}}}]",
    "ratio": "depth: 1, stages: [{width: 100, block: {bottleneck: {ratio: 1e308}}}]",
    "steps": "depth: 1, stages: [{width: 8, block: {bottleneck: "
    "{ratio: {low: 0, high: 1, step: 1e-7}}}}]",
}


@pytest.mark.parametrize("name", HEAVY)
def test_the_largest_spaces_are_checked_and_counted_in_time(name: str) -> None:
    raw = f"name: x\narchitecture: {{{HEAVY[name]}}}\n".encode()
    assert judge.check_space(raw, []).outcome == "accepted"


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_could_not_be_counted_is_refused(name: str) -> None:
    raw = f"name: x\narchitecture: {{{TOO_MUCH[name]}}}\n".encode()
    assert judge.check_space(raw, []).outcome == "refused"
