"""Whose word it is that a study may run code: its plugins and the `class_path` of its data set are
imported.

A study is signed with a key of the user who made it. One that somebody else made, in a shared
storage or a file that was sent, runs its code only where `--trust` says so.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from pathlib import Path

from optuna.study import Study

from nas.common.errors import StudyError, shown
from nas.common.plugins import import_plugins, imported_plugins
from nas.common.waiting import Log
from nas.data.catalog import CLASS_PATH, Dataset
from nas.search.study import space_of
from nas.space.errors import named_plugins
from nas.space.yaml import Source

#: class_path and init_args
Code = tuple[str, str]
#: what a signature of plugins is made of before their names: no class_path is called so
PLUGINS = "plugins"
KEY_BYTES = 32


def require_trust(study: Study, trusted: bool, say: Log) -> None:
    """Name the code that running a study runs, and import its plugins; StudyError for code this
    user neither signed nor trusts. Call it before anything of the study is run.
    """
    allow_plugins(study, trusted, say)
    for class_path, init_args in sorted(codes_of(study)):
        say(f"This space runs code: {class_path}")
        if not trusted and not is_signed(study, (class_path, init_args)):
            raise StudyError(
                f"study {study.study_name!r} was not made on this account, and it runs the code of "
                f"{class_path} with {shown(init_args)}. If you know that code, add --trust."
            )


def allow_plugins(study: Study, trusted: bool, say: Log) -> None:
    """Import the plugins of a study; StudyError for those this user neither signed nor trusts."""
    missing = missing_plugins(study)
    if missing:
        say(f"This space runs code: {', '.join(missing)}")
        if not trusted and not has_signed_plugins(study):
            raise StudyError(
                f"study {study.study_name!r} was not made on this account, and it runs the code of "
                f"{', '.join(missing)}. If you know that code, add --trust."
            )
        import_plugins(missing)


def missing_plugins(study: Study) -> list[str]:
    """The plugins of a study that this process has not imported."""
    return [name for name in plugins_of(study) if name not in imported_plugins()]


def plugins_of(study: Study) -> list[str]:
    """The plugins that the space of a study names; none where it cannot be read."""
    try:
        source = Source("space", study.user_attrs["space"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return []
    return [name for _, name in named_plugins(source)]


def has_signed_plugins(study: Study) -> bool:
    """Whether this user signed the plugins of the study, all of them, under the name it has now."""
    key = user_key()
    known = study.user_attrs.get(attribute(key, PLUGINS))
    expected = sign(key, study.study_name, (PLUGINS, *plugins_of(study)))
    return isinstance(known, str) and hmac.compare_digest(known.encode(), expected.encode())


def sign_plugins(study: Study) -> None:
    """Sign the plugins of a study, which this process has imported, as the user named them."""
    key = user_key()
    signature = sign(key, study.study_name, (PLUGINS, *plugins_of(study)))
    study.set_user_attr(attribute(key, PLUGINS), signature)


def vouch(study: Study, dataset: Dataset, trusted: bool, say: Log) -> None:
    """Sign the code of a study that has no trials yet, as the user named it; else require trust."""
    if plugins_of(study) and not missing_plugins(study):
        sign_plugins(study)
    if study.get_trials(deepcopy=False):
        require_trust(study, trusted, say)
    elif dataset.class_path is not None:
        say(f"This space runs code: {dataset.class_path}")
        key = user_key()
        signature = sign(key, study.study_name, (dataset.class_path, dataset.init_args))
        study.set_user_attr(attribute(key), signature)


def codes_of(study: Study) -> set[Code]:
    """All code that running a study can run: of its space, and of the candidates in its trials."""
    trials = study.get_trials(deepcopy=False)
    found = {stored_code(trial.user_attrs.get("candidate")) for trial in trials}
    try:
        dataset = space_of(study).dataset
        found.add((dataset.class_path, dataset.init_args) if dataset.class_path else None)
    except (ValueError, TypeError, AttributeError):
        pass  # a space that cannot be read cannot be run
    return {code for code in found if code is not None}


def stored_code(candidate: object) -> Code | None:
    """The code of a stored candidate; None where it has none or cannot be read."""
    try:
        dataset = json.loads(candidate)["dataset"]  # type: ignore[arg-type]
        class_path, init_args = dataset["class_path"], dataset["init_args"]
        return (class_path, str(init_args)) if re.match(CLASS_PATH, class_path) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def is_signed(study: Study, code: Code) -> bool:
    """Whether this user signed the code of the study, under the name it has now."""
    key = user_key()
    known = study.user_attrs.get(attribute(key))
    expected = sign(key, study.study_name, code)
    return isinstance(known, str) and hmac.compare_digest(known.encode(), expected.encode())


def sign(key: bytes, study: str, code: tuple[str, ...]) -> str:
    """The signature of a study's name and code."""
    return hmac.new(key, json.dumps([study, *code]).encode(), hashlib.sha256).hexdigest()


def attribute(key: bytes, what: str = "") -> str:
    """Where a user's signature stands: each user of a shared storage has one of their own."""
    return f"signature_{what}{hashlib.sha256(key).hexdigest()[:12]}"


def user_key() -> bytes:
    """The key of this user, made when first needed; StudyError where it can be none."""
    file = state_folder() / "key"
    try:
        if not file.exists():
            make_key(file)
        key, mode = file.read_bytes(), file.stat().st_mode
    except OSError as error:
        raise StudyError(
            f"the key {file}, which signs studies that run code, cannot be made or read: "
            f"{error.strerror}. Name another folder with NAS_STATE_DIR."
        ) from error
    if len(key) != KEY_BYTES or mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StudyError(
            f"the key {file} is damaged, or others may read it: remove it, and it is made anew; "
            "studies it signed then need --trust."
        )
    return key


def make_key(file: Path) -> None:
    """Write a new key, whole or not at all, that its owner alone can read."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(secrets.token_bytes(KEY_BYTES))
    try:
        os.link(part, file)
    except FileExistsError:
        pass  # another process was faster: its key is ours too
    finally:
        part.unlink()


def state_folder() -> Path:
    """Where the key is kept: NAS_STATE_DIR, else nas/ in the user's folder for state."""
    named = os.environ.get("NAS_STATE_DIR")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(named) if named else Path(state) / "nas"
