"""The functions that train: search and payoff."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.study import Study
from rich.console import Console

from nas.api.outcome import Outcome
from nas.api.studies import load_study, study_of, url_of
from nas.common.main_guard import leave_if_importing_main
from nas.data.catalog import TABLE
from nas.payoff.run import payoff as run_twins
from nas.payoff.run import settings_of
from nas.search.allow_code import allow_plugins
from nas.search.baseline import run_baseline
from nas.search.boosting import keep_boosting
from nas.search.coordinator import Outcome as Ending
from nas.search.options import WorkerOptions
from nas.search.run import search as run_search
from nas.space.space import SearchSpace


def search(
    space: SearchSpace,
    *,
    trials: int | None = None,
    timeout: float | None = None,
    study: str | None = None,
    extend: bool = False,
    twins: bool = False,
    data: Any = None,
    console: Console | None = None,
    options: WorkerOptions | None = None,
    **changes: Any,
) -> Outcome:
    """Run the study of a space, or resume it where it stands, as `nas search` does.

    trials: how many it is to have in all; default: those of the space. timeout: seconds.
    study: its name; default: that of the space. extend: if the space has changed, go on with the
    trials that still fit. twins: then run the random search and the twins that the space asks for
    too. data: a LightningDataModule, a torch Dataset, or a mapping of "train", "validation" and
    "test" to such, for a space with `dataset: {name: object, ...}`. Further keywords are those of
    WorkerOptions: storage, workers, workers_per_gpu, device, cluster, data_dir, out, trust.

    UserError says what a person can mend. Ctrl-C ends it cleanly, and the outcome says so.
    """
    leave_if_importing_main()
    options = replace(options or WorkerOptions(), **changes)
    given = {"data": data, "console": console}
    start = time.monotonic()
    ending = run_search(
        space, trials=trials, timeout=timeout, study=study, extend=extend, options=options, **given
    )
    if twins:
        left = _remaining(timeout, start)
        ending = beside(ending, space, options, timeout=left, **given)
    allowed = space.code
    return Outcome(ending.study, ending.how, options.storage, Path(options.out), allowed)


def beside(
    ending: Ending,
    space: SearchSpace,
    options: WorkerOptions,
    *,
    timeout: float | None,
    budget: float | None = None,
    data: Any = None,
    console: Console | None = None,
) -> Ending:
    """The random search and the twins of a search that has finished, as far as its space asks for
    them; gradient boosting where the data are a table. budget: seconds that are left of one."""
    searched, start = ending.study, time.monotonic()
    if space.dataset.name == TABLE and ending.how == "finished":
        keep_boosting(searched, space.dataset)
    if space.search.baseline and ending.how == "finished":
        ending = run_baseline(searched, space, options, timeout=timeout, data=data, console=console)
    if space.section.payoff and ending.how == "finished":
        ending = run_twins(
            searched,
            space.section.payoff,
            options,
            timeout=_remaining(timeout, start),
            budget=_remaining(budget, start),
            data=data,
            console=console,
            allowed=space.code,
        )
    return ending


def payoff(
    study: Outcome | Study | str | None = None,
    *,
    top: int | None = None,
    seeds: int | None = None,
    until: str | None = None,
    max_seeds: int | None = None,
    depths: Sequence[int] | None = None,
    vary: str | None = None,
    timeout: float | None = None,
    data: Any = None,
    console: Console | None = None,
    options: WorkerOptions | None = None,
    **changes: Any,
) -> Outcome:
    """Train the twins of a study, or resume them, as `nas payoff` does; the outcome's verdict says
    where shortcuts pay off.

    study: an outcome, an Optuna study, or a name; default: the newest one. top: best candidates to
    take. seeds: pairs of each comparison. until: `resolved` adds pairs until each primary
    comparison is decided, max_seeds at most. depths: blocks in every stage. vary: the choice twins
    differ in, `shortcut`, `transition`, `activation_order` or `block`. What is left out stands in
    the `payoff:` section of the space. timeout: seconds. Further keywords as in `nas.search`.
    """
    leave_if_importing_main()
    options = replace(options or WorkerOptions(), **changes)
    found = study_of(study, options.storage)
    options = replace(options, storage=url_of(found, options.storage))
    allow_plugins(found, options.trust, print)
    asked = {
        "top": top,
        "seeds": seeds,
        "until": until,
        "max_seeds": max_seeds,
        "depths": depths and list(depths),
        "vary": vary,
    }
    allowed = study.allowed if isinstance(study, Outcome) else frozenset()
    ending = run_twins(
        found,
        settings_of(found, asked),
        options,
        timeout=timeout,
        data=data,
        console=console,
        allowed=allowed,
    )
    return Outcome(ending.study, ending.how, options.storage, Path(options.out), allowed)


def _remaining(seconds: float | None, start: float) -> float | None:
    """Seconds left of a timeout, at least one."""
    return None if seconds is None else max(1.0, seconds - (time.monotonic() - start))


__all__ = ["beside", "load_study", "payoff", "search"]
