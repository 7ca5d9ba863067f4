"""Gradient boosting beside a search on a table, kept with its study for the report."""

from optuna.study import Study

from nas.data.catalog import Dataset

#: the attribute of a study with the validation scores, by the names of objectives
BOOSTING = "boosting"


def keep_boosting(study: Study, dataset: Dataset) -> None:
    """Fit it once and keep its scores."""
    if BOOSTING not in study.user_attrs:
        from nas.data.tables.boosting import boosted

        study.set_user_attr(BOOSTING, boosted(dataset))
