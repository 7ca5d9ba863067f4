"""Studies of many trials that rest at rungs, as a long search by halving leaves them."""

import json
import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy import text

from experiments.speed.studies import BATCH, Finished, Rows, drawn, flush, trial_rows
from nas.search.pruners.asha import Asha
from nas.search.trial_attributes import PAUSED, RUNG, RUNG_LOSSES
from nas.space.space import SearchSpace
from nas.storage.handles import engine_of, storage_of, study_id_of
from nas.storage.tables import TRIAL_ATTRS, TRIALS, VALUES

#: candidates that differ: to draw one takes longer than to write it
DIFFERENT = 300


def fill_resting(study: Study, space: SearchSpace, resting: int) -> int:
    """Fill an empty study that has its storage to itself: so many trials rest where halving leaves
    them, the best are complete. Returns how many there are in all."""
    asha = Asha.of(space)
    shares = [math.prod(map(asha.share, asha.rungs[: n + 1])) for n in range(len(asha.rungs))]
    count = math.ceil(resting / (1 - shares[-1]))
    ranks = np.random.default_rng(0).permutation(count).tolist()
    rows: Rows = defaultdict(list)
    some = list(drawn(space, min(count, DIFFERENT)))
    for number, rank in enumerate(ranks):
        one = some[number % len(some)]._replace(number=number)
        passed = sum(rank < int(count * share) for share in shares)
        add(rows, study_id_of(study), asha.rungs, passed, one, 0.1 + rank / count)
        if len(rows[TRIALS]) == BATCH:
            flush(storage_of(study), rows)
    flush(storage_of(study), rows)
    engine = engine_of(storage_of(study))
    if engine is not None and engine.url.get_backend_name() == "postgresql":
        with engine.begin() as connection:  # whose ids do not follow those that are given
            connection.execute(text(f"SELECT setval('trials_trial_id_seq', {count})"))
    return count


def add(
    rows: Rows, study_id: int, rungs: tuple[int, ...], passed: int, one: Finished, loss: float
) -> None:
    """The rows of a trial that passed so many rungs; if not all, it rests at the next."""
    reached = rungs[: passed + 1]
    is_resting = passed < len(rungs)
    epochs = reached[-1] if is_resting else one.candidate.training.epochs
    result = replace(one.result, curve=(epochs * one.result.curve)[:epochs], pruned=is_resting)
    attrs: dict[str, object] = {RUNG: reached[-1], PAUSED: is_resting}
    attrs[RUNG_LOSSES] = {str(rung): loss for rung in reached}
    trial_rows(rows, study_id, 1, one._replace(result=result, attrs=attrs))
    trial = rows[TRIALS][-1]
    trial["state"] = TrialState.COMPLETE
    if is_resting:
        trial |= {"state": TrialState.WAITING, "datetime_complete": None}
        rows[VALUES].pop()
        worker = {"trial_id": trial["trial_id"], "key": "worker"}
        for row in rows[TRIAL_ATTRS][-40:]:
            if worker.items() <= row.items():
                row["value_json"] = json.dumps(None)
