"""Tables: reading, splits, encoding on the training rows alone, and files that cannot be used."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nas.data.catalog import Dataset, shape
from nas.data.module import ImageData, open_data
from nas.data.pictures import DataError
from nas.data.survey import survey
from nas.data.tables.boosting import boosted
from nas.data.tables.encoding import Encoding
from nas.data.tables.prepare import prepared, read
from nas.data.tables.sources import TABLES

COLOURS = ("red", "green", "blue", "")


def written(folder: Path, text: str) -> str:
    path = folder / "rows.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def people(rows: int = 60) -> str:
    """A table of a number, a column of words and a class; every tenth number is missing, every
    fourth word; there are five rows of each household."""
    rng = np.random.default_rng(0)
    lines = ["age,colour,household,label"]
    for row in range(rows):
        age = "" if row % 10 == 3 else f"{rng.normal(40, 10):.1f}"
        lines.append(f"{age},{COLOURS[row % 4]},{row // 5},{'yes' if row % 3 else 'no'}")
    return "\n".join(lines) + "\n"


def table(path: str, **settings) -> Dataset:
    return Dataset(name="table", path=path, **{"target": "label"} | settings)


def opened(dataset: Dataset, **settings) -> ImageData:
    data = open_data(dataset, data_dir=Path(), batch_size=8, seed=0, **settings)
    assert isinstance(data, ImageData)
    return data


@pytest.mark.parametrize("name", list(TABLES))
def test_every_table_has_finite_features_and_disjoint_splits(name: str) -> None:
    found = prepared(Dataset(name="table", source=name))
    every = np.concatenate(list(found.rows.values()))
    assert len(every) == len(set(every)) == len(found.targets)
    assert np.isfinite(found.features).all()
    assert np.isfinite(found.targets).all()
    train = found.features[found.rows["train"]].astype(np.float64)
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-5)
    assert shape(Dataset(name="table", source=name)) == (
        (found.features.shape[1], 1, 1),
        max(1, len(found.classes)),
    )


def test_all_is_fitted_on_the_training_rows(tmp_path: Path) -> None:
    """Wild values in validation and test rows change nothing of the encoding."""
    path = written(tmp_path, people())
    before = prepared(table(path, drop=("household",)))
    lines = people().splitlines()
    for row in np.concatenate([before.rows["validation"], before.rows["test"]]):
        lines[row + 1] = f"1e6,violet,0,{lines[row + 1].rpartition(',')[2]}"
    after = prepared(table(written(tmp_path, "\n".join(lines) + "\n"), drop=("household",)))
    assert after.encoding == before.encoding
    unseen = after.features[after.rows["test"]]
    assert (unseen[:, 1:] == 0).all(), "a word that no training row has is no word"
    kept = opened(table(str(path), drop=("household",)), train_on_validation=True)
    assert kept.encoding == after.encoding
    assert kept.num_train == kept.num_outside_test


def test_features_are_those_of_scikit_learns_transformers() -> None:
    source = read(Dataset(name="table", source="wine"))
    x = np.stack(list(source.numbers.values()), 1)
    x[::7, 2] = np.nan
    rows = np.arange(0, len(x), 2)
    source.numbers.update(zip(source.numbers, x.T, strict=True))
    from nas.data.tables.encoding import fitted

    encoding = fitted(source, rows)
    theirs = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(x[rows])
    assert np.array_equal(encoding.features(source), theirs.transform(x).astype(np.float32))
    assert Encoding.parse(encoding.written()) == encoding


def test_groups_stay_in_one_split(tmp_path: Path) -> None:
    found = prepared(table(written(tmp_path, people()), groups="household"))
    households = [{row // 5 for row in rows} for rows in found.rows.values()]
    assert all(households)
    assert not households[0] & households[1] | households[0] & households[2]
    assert not households[1] & households[2]
    assert "household" not in {one.name for one in found.encoding.numbers}


def test_batches_are_rows_with_their_labels(tmp_path: Path) -> None:
    data = opened(table(written(tmp_path, people())))
    x, y = next(iter(data.train_dataloader()))
    assert x.shape == (8, data.image_shape[0], 1, 1)
    assert (x.dtype, y.dtype, data.classes) == (torch.float32, torch.int64, ("no", "yes"))
    again, _ = next(iter(opened(data.dataset).train_dataloader()))
    assert torch.equal(x, again)


def test_a_number_is_standardised_on_the_training_rows() -> None:
    data = opened(Dataset(name="table", source="diabetes"))
    y = torch.cat([y for _, y in data.train_evaluation_dataloader()]).double()
    assert y.mean().item() == pytest.approx(0, abs=1e-6)
    assert y.var(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert (data.num_classes, data.class_counts("test")) == (1, [88])


def test_an_npz_of_features_with_its_own_splits(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    y = np.arange(40) % 2
    np.savez(tmp_path / "t.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    found = prepared(Dataset(name="table", path=str(tmp_path / "t.npz")))
    assert found.rows["test"].tolist() == list(range(30, 40))
    assert found.classes == ("0", "1")


def test_gradient_boosting_sees_the_same_rows(tmp_path: Path) -> None:
    found = boosted(table(written(tmp_path, people()), drop=("household",)))
    assert found.keys() == {"val_accuracy", "val_balanced_accuracy", "val_loss"}
    assert boosted(Dataset(name="table", source="iris"))["val_accuracy"] > 0.8
    assert boosted(Dataset(name="table", source="friedman1"))["val_r2"] > 0.8


BAD = {
    "no target": ("age,colour\n1,red\n2,red\n", {}, "has no column 'label'; it has 'age'"),
    "one class": ("age,label\n1,no\n2,no\n3,no\n", {}, "holds 'no' in every row"),
    "words to regress": ("age,label\n1,a\n2,b\n", {"task": "regression"}, "write task: class"),
    "many classes": (
        "age,label\n" + "".join(f"{n},w{n}\n" for n in range(9)),
        {},
        "9 different values in 9 rows",
    ),
    "free text": (
        "note,age,label\n" + "".join(f"word {n},{n},{n % 2}\n" for n in range(99)),
        {},
        r"'note' holds .* different texts in .*drop: \[note\]",
    ),
    "ragged": ("age,label\n1,no\n2,yes,3\n", {}, "line 3 of .* has 3 fields, and the header 2"),
    "short": ("age,colour,label\n1,red,no\n2,yes\n", {}, "line 3 of .* has 2 fields"),
    "twice": ("age,age,label\n1,2,no\n3,4,yes\n", {}, "'age' more than once"),
    "unnamed": ("age,,label\n1,2,no\n3,4,yes\n", {}, "a column without a name"),
    "infinite": ("age,label\n1,no\ninf,yes\n3,no\n4,yes\n", {}, "'age' .* holds inf in line 3"),
    "a word among numbers": (
        "age,label\n1,no\n2,yes\n?,no\n4,yes\n5,no\n",
        {},
        r"'age' .* holds numbers, and '\?' in line 4",
    ),
    "empty": ("", {}, "is empty"),
    "no rows": ("age,label\n", {}, "has 0 rows"),
    "no such group": ("age,label\n1,no\n2,yes\n", {"groups": "who"}, "groups: .*no column 'who'"),
    "few groups": ("age,who,label\n" + "1,a,no\n2,b,yes\n" * 9, {"groups": "who"}, "2 .*values"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_bad_files_end_in_a_sentence_with_the_place(tmp_path: Path, name: str) -> None:
    text, settings, words = BAD[name]
    with pytest.raises(DataError, match=words):
        prepared(table(written(tmp_path, text), **settings))


def test_what_is_no_file_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        prepared(table(str(tmp_path / "none.csv")))
    (tmp_path / "b.csv").write_bytes(b"age,label\n\xff\xfe,no\n")
    with pytest.raises(DataError, match="cannot be read as CSV in UTF-8"):
        prepared(table(str(tmp_path / "b.csv")))
    np.savez(tmp_path / "o.npz", x=np.array([[{}]]), y=np.array([1]))
    with pytest.raises(DataError, match="object; numbers are needed"):
        prepared(Dataset(name="table", path=str(tmp_path / "o.npz")))


def test_empty_columns_and_rows_without_a_target_are_told(tmp_path: Path) -> None:
    lines = people().splitlines()
    text = "\n".join([f"{lines[0]},nothing", "9,red,0,,", *(f"{line}," for line in lines[1:])])
    told = "\n".join(survey(table(written(tmp_path, text + "\n")), tmp_path, 8).lines())
    assert "Left out: 1 rows without a 'label', the first in line 2." in told
    assert "Left out: the column 'nothing', which is empty." in told
    assert "Features: 5, from 2 columns of numbers and 1 of words" in told


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "needs either path"),
        ({"source": "iris", "path": "a.csv"}, "needs either path"),
        ({"source": "iriss"}, "Did you mean 'iris'"),
        ({"path": "a.csv"}, "dataset.target: needed by a CSV"),
        ({"source": "iris", "target": "label"}, "dataset.target: not a setting of 'iris'"),
        ({"source": "iris", "augment": ("flip",)}, "rows of a table are no pictures"),
    ],
)
def test_keys_that_do_not_fit_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Dataset(name="table", **settings)
