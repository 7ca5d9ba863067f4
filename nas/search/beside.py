"""What belongs to a search whatever it is called by now: its folder, its twins, its random search.

The dashboard renames a study by making another one of it, with all its attributes, and deleting the
first. So a search and what stands beside it go by an attribute, the name of its folder.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study

from nas.common.errors import StudyError
from nas.search.foreign_studies import OURS, is_ours
from nas.storage.handles import storage_of, study_id_of
from nas.storage.studies import Entry, entries_of

#: the attribute of a study with the name of its folder and checkpoints, which it keeps when it is
#: renamed; studies of earlier versions have none, and are kept under their names
FOLDER = "folder"
#: what the names and folders of the studies beside a search end with: its twins, its random
#: baseline
TWINS, BASELINE = "-twins", "-random"
#: such a study's attribute with the name that its search had then -> the ending
ENDINGS = {"twins_of": TWINS, "baseline_of": BASELINE}


def studies_in(storage: BaseStorage) -> list[Entry]:
    """All studies in the order in which they were made, with what tells what they are."""
    return entries_of(storage, (*OURS, FOLDER))


def folder_name(study: Study) -> str:
    """What the folder of a study's results and its checkpoints are called, whatever the study is
    called by now."""
    return _folder_name(study.study_name, study.user_attrs)


def folder_of(entry: Entry) -> str:
    """The same of an entry in the list of studies."""
    return _folder_name(entry.name, entry.attrs)


def _folder_name(name: str, attrs: Mapping[str, Any]) -> str:
    """The same of a study's name and attributes."""
    folder = attrs.get(FOLDER)
    return folder if isinstance(folder, str) and folder else name


def claim_folder(storage: BaseStorage, study: Study, first: str | None = None) -> None:
    """Give a study a folder of its own, if possible `first`: one that was renamed keeps its first
    name's, and a copy has those of the study that it was made of.

    A search does not take the folder of one that was deleted while its twins were left: they would
    be taken for its own.
    """
    own, is_new = study_id_of(study), FOLDER not in study.user_attrs
    others = [one for one in studies_in(storage) if one.id != own]
    taken = {folder_of(one) for one in others if is_new or one.id < own}
    if is_new and search_of(study.user_attrs) is None:
        taken |= {_folder_of_search(one) for one in others if is_beside(one) and one.id < own}
    first = folder = first if first and is_new else folder_name(study)
    number = 1
    while folder in taken:
        number += 1
        folder = f"{first}-{number}"
    if study.user_attrs.get(FOLDER) != folder:
        study.set_user_attr(FOLDER, folder)


def search_of(attrs: Mapping[str, Any]) -> str | None:
    """The name that the search had beside which a study of twins or of a baseline was made."""
    name = attrs.get("twins_of") or attrs.get("baseline_of")
    return name if isinstance(name, str) else None


def is_beside(entry: Entry) -> bool:
    """Whether a study stands beside a search."""
    return search_of(entry.attrs) is not None


def ending_of(entry: Entry) -> str | None:
    """What a study is beside its search, as the ending of its name; None if it is a search."""
    found = (end for key, end in ENDINGS.items() if isinstance(entry.attrs.get(key), str))
    return next(found, None) if is_beside(entry) else None


def _folder_of_search(entry: Entry) -> str:
    """The folder of the search that a study stands beside, whether or not it is there."""
    folder, ending = folder_of(entry), ending_of(entry) or ""
    if FOLDER in entry.attrs and folder.endswith(ending):
        return folder.removesuffix(ending)
    return search_of(entry.attrs) or ""


def search_among(entries: Iterable[Entry], one: Entry) -> Entry | None:
    """The search that a study stands beside; None if it is not there, or none."""
    if not is_beside(one):
        return None
    wanted, said = _folder_of_search(one), search_of(one.attrs)
    searches = [other for other in entries if not is_beside(other)]
    found = [other for other in searches if folder_of(other) == wanted]
    if FOLDER not in one.attrs and not found:
        found = [other for other in searches if other.name == said]
    named = (other for other in found if other.name == said)  # and not a copy of it
    return next(named, found[0] if found else None)


def beside_among(entries: Sequence[Entry], search: Entry, ending: str) -> Entry | None:
    """The twins, or the random search, beside a search; None if there are none."""
    found = [
        one for one in entries if ending_of(one) == ending and search_among(entries, one) == search
    ]
    named = (one for one in found if one.name == search.name + ending)
    return next(named, found[0] if found else None)


def _found(study: Study, look: Callable[[list[Entry], Entry], Entry | None]) -> Study | None:
    """The study that a look from another one finds among those of its storage."""
    storage = storage_of(study)
    entries = studies_in(storage)
    own = next((one for one in entries if one.id == study_id_of(study)), None)
    found = own and look(entries, own)
    return optuna.load_study(study_name=found.name, storage=storage) if found else None


def study_beside(search: Study, ending: str) -> Study | None:
    """The twins, or the random search, beside a search; None if there are none."""
    return _found(search, lambda entries, own: beside_among(entries, own, ending))


def its_search(study: Study) -> Study | None:
    """The search that a study stands beside, or the study itself if it is a search; None if the
    search is not there any more."""
    if search_of(study.user_attrs) is None:
        return study
    return _found(study, search_among)


def search_beside(study: Study) -> Study:
    """The same; StudyError if the search is not there any more."""
    found = its_search(study)
    if found is None:
        raise StudyError(
            f"study {study.study_name!r} stands beside the study {search_of(study.user_attrs)!r}, "
            "which is not there any more."
        )
    return found


def name_beside(search: Study, ending: str) -> str:
    """The name of the study to make or to go on with beside a search: that of the search with the
    ending, unless a study beside another search has it, as after a renaming."""
    if found := study_beside(search, ending):
        return found.study_name
    entries = studies_in(storage_of(search))
    taken = {one.name for one in entries if is_ours(one.attrs)}
    name = search.study_name + ending
    return name if name not in taken else folder_name(search) + ending
