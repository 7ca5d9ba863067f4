"""What a search takes here, and what fits into a budget, said before it begins."""

from nas.cli.options import seconds_of
from nas.cli.output import say
from nas.common.errors import SpaceError
from nas.search.options import WorkerOptions


def settings_for(
    budget: str,
    space: str,
    settings: list[str],
    imports: list[str] | None,
    options: WorkerOptions,
    study: str | None,
    trials: int | None,
) -> list[str]:
    """The settings with which a search takes about a budget; those of its study where it was begun
    for the same one."""
    from dataclasses import replace
    from functools import partial
    from pathlib import Path

    from nas.common.devices import device_of
    from nas.payoff.budgeted import KEYS, kept_settings
    from nas.payoff.budgeted import settings_for as settings_in
    from nas.search.session import num_workers
    from nas.space.space import SearchSpace

    seconds_of(budget, "--budget")
    given = [key for key, _, _ in (one.partition("=") for one in settings) if key in KEYS]
    if trials or given:
        which = "--trials" if trials else f"--set {given[0]}"
        raise SpaceError(f"--budget decides what {which} says: leave one of them out.")
    if options.cluster is not None:
        raise SpaceError("--budget times trainings of this machine, not of a cluster: leave --ray.")
    load = partial(SearchSpace.load, space, plugins=imports or [])
    loaded = load(settings)
    kept = kept_settings(options.storage, study or loaded.name, budget)
    if kept is not None:
        say(f"Going on for {budget} with the settings of its study.")
        return kept
    device = device_of(options.device)
    return settings_in(
        lambda more: load([*settings, *more]),
        budget,
        workers=num_workers(replace(options, workers=options.workers or None), loaded, device),
        data_dir=Path(options.data_dir),
        log=say,
        device=device,
    )


def say_cost(
    space: str,
    settings: list[str],
    imports: list[str] | None,
    options: WorkerOptions,
    study: str | None,
    trials: int | None,
) -> None:
    """Say about how long the search of a bundled space takes, by timed steps of this processor;
    nothing where others train or a study goes on, whose time left is another one. Workers load
    their libraries meanwhile.
    """
    from pathlib import Path

    from nas.common.devices import device_of
    from nas.common.machine import num_cores
    from nas.search.pools.server import start_server
    from nas.space.space import SearchSpace, find

    elsewhere = options.cluster is not None or options.workers == 0
    if elsewhere or not find(space)[1] or device_of(options.device).num_gpus:
        return
    if num_cores() > 1:  # the steps are timed undisturbed
        start_server()
    given = {"search.workers": options.workers, "search.trials": trials}
    more = [f"{key}={value}" for key, value in given.items() if value]
    loaded = SearchSpace.load(space, [*settings, *more], imports or [])
    if is_there(options.storage, study or loaded.name):
        return
    from nas.payoff.preview import cost_lines  # loads torch

    say(cost_lines(loaded, Path(options.data_dir))[-1])


def is_there(storage: str, study: str) -> bool:
    """Whether a storage has a study; one that cannot be read is refused where it is opened."""
    from nas.common.errors import StudyError
    from nas.search.study import load_own_study
    from nas.storage.open import open_storage

    try:
        load_own_study(open_storage(storage), study)
    except StudyError:
        return False
    return True
