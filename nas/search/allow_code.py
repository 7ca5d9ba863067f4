"""Which code a study may run: its plugins are imported, and each `class_path` of its data set, its
loggers and its callbacks.

Code that the user names in a file of their own is allowed. Code out of a storage, where others may
have written, runs only with `--trust`. What was allowed when a command started is all that its
workers run, whatever the storage says by then.
"""

import json
import re

from optuna.study import Study

from nas.common.class_paths import CLASS_PATH, Code
from nas.common.errors import StudyError, shown
from nas.common.plugins import import_plugins, imported_plugins
from nas.common.waiting import Log
from nas.search.study import space_of
from nas.space.errors import named_plugins
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training.watchers import Watchers

#: what may run
AllowedCode = frozenset[Code]


def code_in_file(space: SearchSpace, log: Log) -> AllowedCode:
    """The code of a space that the user named in a file: allowed, and named before it runs."""
    found = space.code
    for class_path, _ in sorted(found):
        log(f"This space runs code: {class_path}")
    return found


def code_in_storage(
    study: Study, trust: bool, log: Log, allowed: AllowedCode = frozenset()
) -> AllowedCode:
    """All code that running a study can run: of its space, and of the candidates in its trials.

    It is named before it runs, and plugins are imported. StudyError for code that is neither
    trusted nor allowed already.
    """
    allow_plugins(study, trust, log)
    found = _stored_code(study)
    for class_path, init_args in sorted(found - allowed):
        log(f"This space runs code: {class_path}")
        if not trust:
            raise StudyError(
                f"study {study.study_name!r} runs the code of {class_path} with "
                f"{shown(init_args)}, which was read from the storage. If you know that code, add "
                "--trust."
            )
    return found | allowed


def allow_plugins(study: Study, trust: bool, log: Log) -> None:
    """Import the plugins of a study; StudyError if they are not trusted, unless the user named them
    in a file or with --import, and they are imported already."""
    missing = missing_plugins(study)
    if not missing:
        return
    names = ", ".join(missing)
    log(f"This space runs code: {names}")
    if not trust:
        raise StudyError(
            f"study {study.study_name!r} runs the code of {names}, which was read from the "
            "storage. If you know that code, add --trust."
        )
    import_plugins(missing)


def missing_plugins(study: Study) -> list[str]:
    """The plugins of a study that this process has not imported."""
    return [name for name in _plugins_of(study) if name not in imported_plugins()]


def refuse_other_code(code: AllowedCode, allowed: AllowedCode, study: str) -> None:
    """StudyError for code that was not allowed when the command started."""
    for class_path, init_args in sorted(code - allowed):
        raise StudyError(
            f"study {study!r} names other code in the storage than when this command started: "
            f"{class_path} with {shown(init_args)}. It is not run. If you know that code, start "
            "the command again."
        )


def watchers_of(study: Study) -> Watchers:
    """The loggers and callbacks of a study; none if its space cannot be read."""
    try:
        return space_of(study).watchers
    except (ValueError, TypeError, AttributeError):
        return Watchers()


def _stored_code(study: Study) -> AllowedCode:
    """All code of a stored space and of the stored candidates."""
    trials = study.get_trials(deepcopy=False)
    found = {_code_of_candidate(trial.user_attrs.get("candidate")) for trial in trials}
    known = frozenset(code for code in found if code is not None)
    try:
        return known | space_of(study).code
    except (ValueError, TypeError, AttributeError):
        return known  # a space that cannot be read cannot be run


def _plugins_of(study: Study) -> list[str]:
    """The plugins that the space of a study names; none if it cannot be read."""
    try:
        source = Source("space", study.user_attrs["space"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return []
    return [name for _, name in named_plugins(source)]


def _code_of_candidate(candidate: object) -> Code | None:
    """The code of a stored candidate; None if it has none or cannot be read."""
    try:
        dataset = json.loads(candidate)["dataset"]  # type: ignore[arg-type]
        class_path, init_args = dataset["class_path"], dataset["init_args"]
        return (class_path, str(init_args)) if re.match(CLASS_PATH, class_path) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
