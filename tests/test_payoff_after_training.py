"""What finished twins stand: asked for in the plan, measured, compared and shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.storages import InMemoryStorage
from report_studies import candidate, make_study, make_twins

from nas.payoff.after_training import bits, lesions
from nas.payoff.analysis import analyse, compare
from nas.payoff.plan import make_plan
from nas.payoff.records import Twin
from nas.payoff.run import measured_after
from nas.report.depth_sweep import Twins
from nas.report.document import Drawing, Table
from nas.report.sections.after_training import after_training_section
from nas.space.schema import PayoffSection, current
from nas.training.candidate import Candidate
from nas.training.evaluation import accuracy
from nas.training.lightning import train
from nas.training.metrics.finished import packed

PICTURES = 40
#: pictures that a finished network gets wrong, as they are and with noise on the weights
WRONG = {"none": (12, 30), "identity": (8, 12)}


def planted(twin: Twin) -> Twin:
    """A run that gets the first so many pictures wrong, one more of odd seeds."""
    clean, noisy = (count + twin.seed % 2 for count in WRONG[twin.arm])
    blocks = [0.5 if twin.arm == "none" else 0.25, None]
    found = {
        "right": packed([place >= clean for place in range(PICTURES)]),
        "pictures": PICTURES,
        "weight_noise_error": noisy / PICTURES,
        "lesion_error": blocks,
    }
    return replace(twin, finished=found)


def test_gains_agreement_and_lesions_are_those_that_were_planted() -> None:
    study = make_study(InMemoryStorage(), trials=2)
    options = {"orders": ("post_activation",), "top": 0, "lr_factors": (1.0,), "seeds": 4}
    found = analyse(make_twins(study, depths=[1, 5], **options))
    arms = [twin for twin in found.twins if twin.arm in WRONG and twin.comparison == "ladder"]
    fixed = {"vary": "shortcut", "smallest_effect": 2.0, "primary": found.primary}
    runs = [planted(twin) for twin in arms]
    payoff = compare(runs, fixed)
    (one,) = payoff.ladder
    told = one.after_training[32]
    assert told.clean.mean == pytest.approx(10)
    assert list(told.gains) == ["weight_noise_error"]
    assert told.gains["weight_noise_error"].mean == pytest.approx(45)
    assert told.agreement.only_arm == pytest.approx(10)
    assert told.agreement.only_reference == 0
    assert told.agreement.p_values == (None,) * 4
    section = after_training_section(Twins(payoff, {}))
    gains, lesion = (part for part in section.parts if isinstance(part, Drawing))
    assert list(gains.figure.data[0].y) == ["pictures as they are", "noise on the weights"]
    assert list(gains.figure.data[0].x) == pytest.approx([10, 45])
    rises = {trace.name: list(trace.y) for trace in lesion.figure.data}
    mean = np.mean([12, 13, 12, 13]) / PICTURES
    assert rises["none"] == pytest.approx([100 * (0.5 - mean)])
    tables = [part for part in section.parts if isinstance(part, Table)]
    assert tables[0].rows[-1][-1] == "+35.0 [+35.0, +35.0] not resolved"
    assert lesions([], "lesion_error") == []
    on_test = [replace(twin, finished=twin.finished | {"split": "test"}) for twin in runs]
    elsewhere = compare(on_test, fixed)
    assert elsewhere.ladder[0].after_training[32].split == "test"
    (key, *_) = after_training_section(Twins(elsewhere, {})).parts
    assert "test pictures, the same for all twins" in key.text
    half = [
        replace(t, finished=t.finished | ({"split": "test"} if t.arm == "none" else {}))
        for t in runs
    ]
    assert compare(half, fixed).ladder[0].after_training == {}
    bare = compare([replace(twin, finished={}) for twin in arms], fixed)
    assert bare.ladder[0].after_training == {}
    assert after_training_section(Twins(bare, {})).parts == []


def test_pairs_are_measured_and_runs_that_tune_are_not() -> None:
    asked = current(PayoffSection).model_validate({"after_training": ["int8_error"]})
    plan = make_plan(asked, [candidate(2, ["identity"] * 3)])
    runs = [{"cells": [{"role": role}]} for role in ("shared", "tune")]
    marked = measured_after(runs, plan)
    assert [run.get("after_training") for run in marked] == [["int8_error"], None]
    assert all("after_training_split" not in run for run in marked)
    on_test = asked.model_copy(update={"after_training_split": "test"})
    (pair, tuning) = measured_after(runs, make_plan(on_test, [candidate(2, ["identity"] * 3)]))
    assert pair["after_training_split"] == "test"
    assert "after_training_split" not in tuning
    plain = make_plan(current(PayoffSection)(), [candidate(2, ["identity"] * 3)])
    assert measured_after(runs, plain) == runs


def short() -> Candidate:
    """One epoch of a network of eight layers."""
    one = candidate(1, ["identity"] * 3)
    return replace(one, training=replace(one.training, epochs=1))


def test_a_training_measures_its_finished_network_on_the_validation_pictures() -> None:
    names = ["weight_noise_error", "lesion_error"]
    result = train(short(), seed=3, data_dir=Path("data"), finished=names).result
    assert set(result.finished) == {*names, "right", "pictures"}
    assert np.mean(bits(result.finished)) == pytest.approx(result.final["val_accuracy"])
    assert len(result.finished["lesion_error"]) == 3
    tested = train(
        short(), seed=3, data_dir=Path("data"), finished=["int8_error"], finished_split="test"
    )
    assert tested.result.finished["split"] == "test"
    data = tested.data
    assert np.mean(bits(tested.result.finished)) == pytest.approx(
        accuracy(tested.network, data.test_dataloader())
    )
    again = train(short(), seed=3, data_dir=Path("data")).result
    assert again.finished == {}
    assert again.losses == result.losses
    assert again.measures == result.measures
