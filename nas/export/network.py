"""A trained network of a study, as an object."""

from pathlib import Path

from optuna.study import Study

from nas.common.errors import ExportError, StudyError
from nas.common.paths import study_folder
from nas.export.retrain import choose
from nas.export.writing import load
from nas.model.network import Network
from nas.search.beside import folder_name
from nas.training.candidate import Candidate


def found_network(study: Study, trial: int | None, out: str | Path) -> Network:
    """The network of a trial (default: the best) with the weights the search left, in evaluation
    mode; ExportError where they were not kept."""
    if "twins_of" in study.user_attrs:
        raise StudyError(f"study {study.study_name!r} is one of twins: none of them is the best.")
    chosen = choose(study, trial)
    place = f"trial {chosen.number} of study {study.study_name!r}"
    candidate = Candidate.from_json(chosen.user_attrs["candidate"], place)
    weights = study_folder(out, folder_name(study)) / "weights" / f"trial-{chosen.number}.pt"
    if not weights.exists():
        raise ExportError(
            f"the weights of trial {chosen.number} were not kept ({weights}): "
            f"nas.export(study, trial={chosen.number}) trains it again."
        )
    network = Network(candidate.architecture)
    network.load_state_dict(load(candidate, weights))
    return network.eval()
