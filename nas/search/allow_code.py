"""Whose word it is that a study may run code: the `class_path` of its data set is imported.

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
from nas.common.waiting import Log
from nas.data.catalog import CLASS_PATH, Dataset
from nas.search.study import space_of

#: class_path and init_args
Code = tuple[str, str]
KEY_BYTES = 32


def require_trust(study: Study, trusted: bool, say: Log) -> None:
    """Name the code that running a study runs; StudyError for code this user neither signed nor
    trusts. Call it before anything of the study is run."""
    for class_path, init_args in sorted(codes_of(study)):
        say(f"This space runs code: {class_path}")
        if not trusted and not is_signed(study, (class_path, init_args)):
            raise StudyError(
                f"study {study.study_name!r} was not made on this account, and it runs the code of "
                f"{class_path} with {shown(init_args)}. If you know that code, add --trust."
            )


def vouch(study: Study, dataset: Dataset, trusted: bool, say: Log) -> None:
    """Sign the code of a study that has no trials yet, as the user named it; else require trust."""
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


def sign(key: bytes, study: str, code: Code) -> str:
    """The signature of a study's name and code."""
    return hmac.new(key, json.dumps([study, *code]).encode(), hashlib.sha256).hexdigest()


def attribute(key: bytes) -> str:
    """Where a user's signature stands: each user of a shared storage has one of their own."""
    return f"signature_{hashlib.sha256(key).hexdigest()[:12]}"


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
