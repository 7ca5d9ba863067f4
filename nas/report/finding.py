"""The answer of a study for scripts: read, and written as text or JSON."""

import json
from dataclasses import replace

from optuna.study import Study

from nas.common.errors import StudyError
from nas.common.provenance import library_version
from nas.payoff.analysis import analyse
from nas.payoff.answers import Finding, finding
from nas.report.payoff_schema import VERSION
from nas.report.writers.tables import jsonable
from nas.search.beside import TWINS, search_beside, study_beside
from nas.search.study import load_own_study
from nas.storage.open import open_storage


def find(storage: str, name: str | None) -> tuple[str, Finding]:
    """The name of a search and the answer of its twins; StudyError if it has none."""
    backend = open_storage(storage)
    study = search_beside(load_own_study(backend, name))
    search, found = study.study_name, twins_finding(study)
    if found is None:
        raise StudyError(
            f"study {search!r} has no twins, and without twins nothing is verified: train some "
            f"with `nas payoff {search}`."
        )
    return search, found


def twins_finding(search: Study) -> Finding | None:
    """The answer of the twins beside a search; None if there are none, StudyError if they cannot be
    analysed.
    """
    twins = study_beside(search, TWINS)
    if twins is None:
        return None
    try:
        return finding(replace(analyse(twins), study=search.study_name))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StudyError(
            f"the twins of {search.study_name!r} cannot be analysed by this version of nas: "
            f"{error!r:.200}. Take the version that made them, which `nas report` names."
        ) from error


def finding_json(study: str, found: Finding) -> str:
    """An answer as JSON: the object `answer` of payoff.json, with the study and the version."""
    head = {"schema_version": VERSION, "study": study, "nas": library_version("nas")}
    return json.dumps(head | jsonable(found), allow_nan=False, ensure_ascii=False, indent=1)
