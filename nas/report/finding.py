"""The answer of a study for scripts: read, and written as text or JSON."""

import json

import optuna
from optuna.storages import BaseStorage

from nas.common.errors import StudyError
from nas.common.machine import library_version
from nas.payoff.analysis import analyse
from nas.payoff.answers import Finding, finding
from nas.report.payoff_schema import VERSION
from nas.report.writers.tables import jsonable
from nas.search.study import TWINS, has_own_study, load_own_study, search_of
from nas.storage.open import open_storage


def find(storage: str, name: str | None) -> tuple[str, Finding]:
    """The name of a search and the answer of its twins; StudyError if it has none."""
    backend = open_storage(storage)
    study = load_own_study(backend, name)
    search = search_of(study.user_attrs) or study.study_name
    found = twins_finding(backend, search)
    if found is None:
        raise StudyError(
            f"study {search!r} has no twins, and without twins nothing is verified: train some "
            f"with `nas payoff {search}`."
        )
    return search, found


def twins_finding(backend: BaseStorage, search: str) -> Finding | None:
    """The answer of the twins beside a search; None if there are none, StudyError if they cannot be
    analysed.
    """
    if not has_own_study(backend, search + TWINS):
        return None
    twins = optuna.load_study(study_name=search + TWINS, storage=backend)
    try:
        return finding(analyse(twins))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StudyError(
            f"the twins of {search!r} cannot be analysed by this version of nas: {error!r:.200}. "
            "Take the version that made them, which `nas report` names."
        ) from error


def finding_json(study: str, found: Finding) -> str:
    """An answer as JSON: the object `answer` of payoff.json, with the study and the version."""
    head = {"schema_version": VERSION, "study": study, "nas": library_version("nas")}
    return json.dumps(head | jsonable(found), allow_nan=False, ensure_ascii=False, indent=1)
