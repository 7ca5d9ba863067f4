"""The tables that can be named: those inside scikit-learn, and two that it makes.

Loads neither numpy nor scikit-learn: `nas check` reads this file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nas.common.registry import Registry

if TYPE_CHECKING:
    from nas.data.tables.table import Table

TABLES: Registry[Callable[[], Table]] = Registry("table")


@TABLES.register("iris")
def iris() -> Table:
    """150 flowers, 4 numbers, 3 classes (Fisher 1936)."""
    from sklearn.datasets import load_iris

    return classified(load_iris())


@TABLES.register("wine")
def wine() -> Table:
    """178 wines, 13 numbers, 3 classes (Aeberhard and Forina 1991, UCI)."""
    from sklearn.datasets import load_wine

    return classified(load_wine())


@TABLES.register("breast_cancer")
def breast_cancer() -> Table:
    """569 tumours, 30 numbers, 2 classes (Wolberg et al. 1993, UCI)."""
    from sklearn.datasets import load_breast_cancer

    return classified(load_breast_cancer())


@TABLES.register("digits")
def digits() -> Table:
    """1,797 handwritten digits as 64 numbers, without their places, 10 classes (Alpaydin and
    Kaynak 1998, UCI).
    """
    from sklearn.datasets import load_digits

    return classified(load_digits())


@TABLES.register("moons")
def moons() -> Table:
    """2,000 points of two interleaved half circles with noise of 0.3, made by scikit-learn."""
    from sklearn.datasets import make_moons

    x, y = make_moons(2_000, noise=0.3, random_state=0)
    return from_arrays(x, y, ("x", "y"), ("upper", "lower"))


@TABLES.register("diabetes")
def diabetes() -> Table:
    """442 patients, 10 numbers, a number to predict (Efron et al. 2004)."""
    from sklearn.datasets import load_diabetes

    found = load_diabetes()
    return from_arrays(found.data, found.target, found.feature_names)


@TABLES.register("friedman1")
def friedman1() -> Table:
    """2,000 rows of 10 numbers, of which 5 make the number to predict, with noise of 1 (Friedman
    1991), made by scikit-learn.
    """
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(2_000, noise=1.0, random_state=0)
    return from_arrays(x, y, [f"x{number}" for number in range(1, 11)])


def classified(found: Any) -> Table:
    """What scikit-learn gives of a data set of classes."""
    return from_arrays(found.data, found.target, found.feature_names, map(str, found.target_names))


def from_arrays(x: Any, y: Any, names: Any, classes: Any = ()) -> Table:
    """A table of numbers (N, F), with labels where there are classes."""
    import numpy as np

    from nas.data.tables.table import Table

    columns = {str(name): np.asarray(x[:, place], np.float64) for place, name in enumerate(names)}
    classes = tuple(classes)
    return Table(columns, {}, np.asarray(y, np.int64 if classes else np.float64), classes)
