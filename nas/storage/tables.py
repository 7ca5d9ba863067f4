"""The tables of Optuna's databases, as far as they are read and written in bulk."""

import warnings
from weakref import WeakKeyDictionary

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Enum,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
)

from nas.common.errors import NasWarning
from nas.storage.handles import engine_of, storage_of

#: revisions of the tables that are known
REVISIONS = ("v3.2.0.a",)
METADATA = MetaData()
TRIALS = Table(
    "trials",
    METADATA,
    Column("trial_id", Integer),
    Column("number", Integer),
    Column("study_id", Integer),
    Column("state", Enum(TrialState)),
    Column("datetime_start", DateTime),
    Column("datetime_complete", DateTime),
)
VALUES = Table(
    "trial_values",
    METADATA,
    Column("trial_id", Integer),
    Column("objective", Integer),
    Column("value", Float),
    Column("value_type", Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype")),
)
REPORTED = Table(
    "trial_intermediate_values",
    METADATA,
    Column("trial_id", Integer),
    Column("step", Integer),
    Column("intermediate_value", Float),
    Column(
        "intermediate_value_type",
        Enum("FINITE", "INF_POS", "INF_NEG", "NAN", name="trialintermediatevaluetype"),
    ),
)
PARAMS = Table(
    "trial_params",
    METADATA,
    Column("trial_id", Integer),
    Column("param_name", String),
    Column("param_value", Float),
    Column("distribution_json", Text),
    Column("param_id", Integer),
)
TRIAL_ATTRS = Table(
    "trial_user_attributes",
    METADATA,
    Column("trial_id", Integer),
    Column("key", String),
    Column("value_json", Text),
)
SYSTEM_ATTRS = Table(
    "trial_system_attributes",
    METADATA,
    Column("trial_id", Integer),
    Column("key", String),
    Column("value_json", Text),
)
STUDIES = Table("studies", METADATA, Column("study_id", Integer), Column("study_name", String))
STUDY_ATTRS = Table(
    "study_user_attributes",
    METADATA,
    Column("study_id", Integer),
    Column("key", String),
    Column("value_json", Text),
)
STUDY_NOTES = Table(
    "study_system_attributes",
    METADATA,
    Column("study_id", Integer),
    Column("key", String),
    Column("value_json", Text),
)
REVISION = Table("alembic_version", METADATA, Column("version_num", String))
#: numbers that are not finite, as their type is stored; of others the number itself
NOT_FINITE = {"INF_POS": float("inf"), "INF_NEG": float("-inf"), "NAN": float("nan")}

checked: "WeakKeyDictionary[Engine, bool]" = WeakKeyDictionary()


def known_tables(study: Study | BaseStorage) -> Engine | None:
    """The connections of a study, or of a storage, whose tables are as above. None if it is in
    memory, or if another version of Optuna made them, which is said once: all goes through Optuna's
    own calls then.
    """
    engine = engine_of(storage_of(study) if isinstance(study, Study) else study)
    if engine is None:
        return None
    if engine not in checked:
        checked[engine] = is_known(engine)
        if not checked[engine]:
            warnings.warn(
                "The tables of the storage are those of a version of Optuna that is not known: "
                "studies are read through Optuna itself, which takes longer.",
                NasWarning,
                stacklevel=2,
            )
    return engine if checked[engine] else None


def is_known(engine: Engine) -> bool:
    """Whether a database has these tables with these columns, and a revision that is known."""
    there = inspect(engine).get_multi_columns(filter_names=list(METADATA.tables))
    names = {key[1]: {column["name"] for column in columns} for key, columns in there.items()}
    for table in METADATA.sorted_tables:
        if not set(table.c.keys()) <= names.get(table.name, set()):
            return False
    with engine.connect() as connection:
        return connection.execute(select(REVISION.c.version_num)).scalar() in REVISIONS
