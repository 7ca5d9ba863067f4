"""The answer of a study, its exit statuses, and the published schema of payoff.json."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from optuna.storages import InMemoryStorage
from report_studies import make_study, make_twins

from experiments.again import stored
from nas.cli import main
from nas.cli.output import ANSWERS
from nas.payoff.analysis import Payoff, analyse, compare
from nas.payoff.answers import finding
from nas.payoff.headline import headlines
from nas.payoff.primary import overall
from nas.report import payoff_schema
from nas.report.build import write_report
from nas.report.payoff_schema import VERSION, schema, schema_text
from nas.storage.open import open_storage

ROOT = Path(__file__).parents[1]
COMMITTED = sorted(ROOT.glob("experiments/**/payoff.json"))


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A search with twins of four pairs at three depths, and one without any."""
    url = f"sqlite:///{tmp_path_factory.mktemp('answers')}/nas.db"
    backend = open_storage(url, create=True)
    make_twins(
        make_study(backend, trials=4),
        depths=[1, 3, 5],
        seeds=6,
        top=0,
        orders=("post_activation",),
        lr_factors=(1.0,),
    )
    make_study(backend, "bare", trials=4)
    return url


@pytest.fixture(scope="module")
def fresh(storage: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("out")
    write_report(storage, "digits", out)
    return json.loads((out / "digits" / "payoff.json").read_text(encoding="utf-8"))


def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["nas", "verdict", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err  # type: ignore[return-value]


# The schema.


def strict(part: Any) -> Any:
    """The schema with nothing allowed that it does not name."""
    if isinstance(part, dict):
        found = {key: strict(value) for key, value in part.items()}
        is_model = "required" in found and "properties" in found
        return found | ({"additionalProperties": False} if is_model else {})
    return part


def test_a_ladder_of_one_depth_is_answered_by_the_gain_there() -> None:
    study = make_study(InMemoryStorage(), trials=4)
    one_depth = {"depths": [5], "orders": ("post_activation",), "lr_factors": (1.0,)}
    payoff = analyse(make_twins(study, seeds=6, top=0, **one_depth))
    found = finding(payoff)
    assert payoff.primary["estimand"].startswith("gain in training error")
    assert {row.arm for row in found.comparisons} == {"identity", "projection"}
    for row in found.comparisons:
        (one,) = (one for one in payoff.ladder if one.arm == row.arm and one.reference == "none")
        assert row.layers == [32]
        assert row.effect == one.gains["train_error"][32]
    assert sum(claim.p_adjusted is not None for claim in payoff.claims.values()) == 2
    (row, *_) = (row for row in found.comparisons if row.answer == found.answer)
    assert found.answer == "pays"
    assert row.effect.low > payoff.smallest_effect
    assert headlines(payoff, payoff.ladder)[0].startswith("Shortcuts pay off: at 32 layers")


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parts[-3])
def test_every_committed_file_keeps_the_schema(path: Path) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    validator.validate(json.loads(path.read_text(encoding="utf-8")))


def test_there_are_committed_files() -> None:
    assert len(COMMITTED) >= 2


def test_a_fresh_file_has_all_that_the_schema_names_and_nothing_else(
    fresh: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payoff_schema, "ADDED_LATER", {})
    jsonschema.Draft202012Validator(strict(schema())).validate(fresh)
    assert fresh["schema_version"] == VERSION


def test_the_published_schema_is_that_of_the_models() -> None:
    published = (ROOT / "docs" / "payoff.schema.json").read_text(encoding="utf-8")
    assert published == schema_text() + "\n", "nas schema --payoff > docs/payoff.schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


def test_a_file_with_a_wrong_number_is_refused(fresh: dict[str, Any]) -> None:
    broken = json.loads(json.dumps(fresh))
    broken["twins"]["ladder"][0]["interaction"]["train_error"]["mean"] = "much"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate(broken)


# The answer.


def digits_twins() -> Payoff:
    return stored(ROOT / "experiments" / "digits_twins" / "results" / "payoff.json")


def shifted(payoff: Payoff, points: float, scale: float = 1.0) -> Payoff:
    """The same with plain networks whose errors in the deepest networks are others."""
    reference = {
        (one.order, one.role, one.seed, one.budget): one.outcomes["train_error"]
        for one in payoff.twins
        if one.comparison == "ladder" and one.arm == "identity" and one.depth == 9
    }

    def other(one: Any) -> Any:
        if one.comparison != "ladder" or one.depth != 9 or one.role == "tune":
            return one
        base = reference[one.order, one.role, one.seed, one.budget]
        error = base + scale * (one.seed % 3 - 1) + points * (one.arm == "none")
        return replace(one, outcomes=one.outcomes | {"train_error": error})

    fixed = {"vary": "shortcut", "smallest_effect": 2.0, "primary": payoff.primary}
    return compare([other(one) for one in payoff.twins], fixed)


def test_the_published_digits_pay() -> None:
    found = finding(digits_twins())
    assert found.answer == "pays"
    assert {row.answer for row in found.comparisons} == {"pays"}
    assert found.sentence.startswith("Shortcuts pay off in deep networks: from 8 to 56 layers ")
    assert re.search(r"\(95% CI 57\.3 to 74\.0, 7 pairs\)", found.sentence)
    assert "smallest effect of interest 2 points; p = 0.0023 (Holm, 4 comparisons)" in (
        found.sentence
    )


def test_five_pairs_decide_none_of_eight_comparisons_and_it_is_said_how_many_would() -> None:
    path = ROOT / "experiments" / "depth_ladder" / "results" / "payoff.json"
    found = finding(stored(path))
    assert found.answer == "undecided"
    assert found.comparisons[0].more_pairs == 1  # six are needed, as nas.statistics.fewest_pairs
    assert "About 1 more pair " in found.sentence


@pytest.mark.parametrize(
    ("points", "answer", "begins"),
    [
        (0.0, "no difference", "Networks with identity shortcuts and plain networks differ by"),
        (-20.0, "costs", "Shortcuts do harm in deep networks: "),
        (
            2.0,
            "undecided",
            "Undecided whether depth costs plain networks at least 2 ",
        ),
    ],
)
def test_the_other_answers(points: float, answer: str, begins: str) -> None:
    found = finding(shifted(digits_twins(), points))
    assert found.answer == answer
    assert found.sentence.startswith(begins)


@pytest.mark.parametrize("points", [0.0, -20.0, 2.0, 20.0])
def test_the_headline_of_the_report_gives_the_same_answer(points: float) -> None:
    payoff = shifted(digits_twins(), points)
    found = finding(payoff)
    lead, *_ = re.split(r": | \(", found.sentence)
    assert all(lead in headline for headline in headlines(payoff, payoff.ladder))


def test_a_gain_below_the_smallest_effect_does_not_pay() -> None:
    payoff = replace(shifted(digits_twins(), 2.0), smallest_effect=4.0)
    (first, *_) = finding(payoff).comparisons
    assert first.effect.resolved
    assert first.effect.low > 0
    assert first.answer in ("undecided", "no difference")
    assert not any("pay off" in headline for headline in headlines(payoff, payoff.ladder))


def test_nothing_is_decided_while_planned_runs_are_missing() -> None:
    payoff = replace(digits_twins(), missing=3)
    found = finding(payoff)
    assert found.answer == "undecided"
    assert found.sentence.endswith(". 3 planned runs still to come.")
    assert {row.more_pairs for row in found.comparisons} == {None}


def test_several_answers_make_one() -> None:
    assert overall(["pays", "undecided"]) == "pays"
    assert overall(["costs", "no difference"]) == "costs"
    assert overall(["pays", "costs"]) == "undecided"
    assert overall(["no difference", "undecided"]) == "undecided"
    assert overall(["no difference"] * 2) == "no difference"
    assert overall(["no difference"], planned=2) == "undecided"
    assert overall([]) == "undecided"


# The command.


def test_a_script_reads_the_answer_and_the_status_says_it_too(
    storage: str,
    fresh: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    status, out, _ = told(monkeypatch, capsys, "digits", "--storage", storage, "--json")
    read = json.loads(out)
    assert status == ANSWERS[read["answer"]]
    assert {key: read[key] for key in fresh["answer"]} == fresh["answer"]
    assert read["schema_version"] == VERSION
    part = {
        **schema(),
        "$ref": "#/$defs/Finding",
        "required": [],
        "properties": {},
        "type": "object",
    }
    jsonschema.Draft202012Validator(part).validate(read)
    status, out, _ = told(monkeypatch, capsys, "digits-twins", "--storage", storage)
    assert out.strip() == read["sentence"]


def test_a_study_without_twins_is_a_fault_to_mend_and_no_answer(
    storage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    status, out, errors = told(monkeypatch, capsys, "bare", "--storage", storage)
    assert (status, out) == (2, "")
    assert "has no twins" in errors
    assert "`nas payoff bare`" in errors


def test_no_answer_has_the_status_of_a_fault() -> None:
    assert len(set(ANSWERS.values())) == 4
    assert not set(ANSWERS.values()) & {1, 2, 3, 130}
