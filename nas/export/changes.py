"""A candidate that is trained in another way than the search did, as for longer."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace

from nas.common.errors import ExportError
from nas.common.registry import unknown
from nas.space.yaml import DataSource
from nas.training.candidate import OF_TWINS, Candidate, Training, written_training


def changed(candidate: Candidate, settings: Sequence[str]) -> Candidate:
    """The candidate with settings of its training as `--set` has them, `training.epochs=100`.

    ExportError where a setting is of something else, or cannot be.
    """
    names = (field.name for field in fields(Training))
    known = [f"training.{name}" for name in names if name not in OF_TWINS]
    source = DataSource("the candidate", json.loads(candidate.to_json()))
    for setting in settings:
        key = ".".join(setting.partition("=")[0].strip().split(".")[:2])
        if key not in known:
            raise ExportError(
                f"--set {setting}: {unknown('setting of a training', key, known)} Another network "
                "needs a search of its own."
            )
        source.assign(setting)
    try:
        training = written_training(json.dumps(source.data["training"]))
        training.check()
    except (ValueError, TypeError) as error:
        raise ExportError(f"--set {' --set '.join(settings)}: {error}") from error
    return replace(candidate, training=training)


def differences(searched: Candidate, trained: Candidate) -> list[str]:
    """What was trained in another way than in the search, a sentence each."""
    before, now = searched.training.written(), trained.training.written()
    return [
        f"Trained with {key} {in_words(now[key])}, where the search had "
        f"{in_words(before.get(key, 'the default'))}."
        for key in now
        if now[key] != before.get(key)
    ]


def in_words(value: object) -> str:
    """A setting on one line."""
    return value if isinstance(value, str) else json.dumps(value)
