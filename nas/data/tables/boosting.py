"""What gradient boosting makes of the same rows: no network is to be praised that is worse."""

from typing import Any

import numpy as np

from nas.data.catalog import Dataset
from nas.data.tables.encoding import Encoding, places
from nas.data.tables.prepare import prepared, read
from nas.data.tables.table import Table


def boosted(dataset: Dataset) -> dict[str, float]:
    """Validation scores, by the names of the objectives, of scikit-learn's histogram gradient
    boosting with its defaults, fitted on the training rows.
    """
    known, table = prepared(dataset), read(dataset)
    x, are_words = columns(table, known.encoding)
    train, held = known.rows["train"], known.rows["validation"]
    fitted = booster(bool(table.classes), are_words).fit(x[train], table.target[train])
    y, found = table.target[held], fitted.predict(x[held])
    from sklearn import metrics

    if table.classes:
        shares = fitted.predict_proba(x[held])
        return {
            "val_accuracy": float(metrics.accuracy_score(y, found)),
            "val_balanced_accuracy": float(metrics.balanced_accuracy_score(y, found)),
            "val_loss": float(metrics.log_loss(y, shares, labels=fitted.classes_)),
        }
    assert known.encoding.target is not None
    return {
        "val_r2": float(metrics.r2_score(y, found)),
        "val_mae": float(metrics.mean_absolute_error(y, found)),
        "val_loss": float(metrics.mean_squared_error(y, found)) / known.encoding.target[1] ** 2,
    }


def columns(table: Table, encoding: Encoding) -> tuple[np.ndarray, list[bool]]:
    """The columns that networks see, float64 (N, columns), words as the numbers of their values,
    nan where one is missing; and which are words.
    """
    numbers = [table.numbers[one.name] for one in encoding.numbers]
    words = [
        np.where(table.words[one.name].codes < 0, -1, places(table.words[one.name], one))
        for one in encoding.categories
    ]
    numbers += [np.where(codes < 0, np.nan, codes) for codes in words]
    return np.stack(numbers, 1), [False] * len(encoding.numbers) + [True] * len(words)


def booster(classifies: bool, are_words: list[bool]) -> Any:
    """The model before it is fitted."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
    return kind(categorical_features=are_words, random_state=0)
