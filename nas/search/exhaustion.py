"""When a search has tried every candidate of its space: then more trials would only repeat them."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.search.trial_attributes import DONE, counted, is_reused
from nas.space.enumeration import all_draws, all_values
from nas.space.space import SearchSpace

#: attribute of a study: how many candidates its space has, and how many trials tried them all
EXHAUSTED = "exhausted"
#: ways to draw a candidate up to which all candidates are listed
MOST_DRAWS = 2_000


def exhaustion_of(study: Study, space: SearchSpace) -> Callable[[Sequence[FrozenTrial]], None]:
    """A function that records at the study when its trials have tried all there is to try."""
    listed = cache(lambda: every_candidate(space))

    def record(trials: Sequence[FrozenTrial]) -> None:
        if space.search.duplicates != "reuse" or exhausted(study.user_attrs):
            return
        if not any(map(is_reused, trials)):  # as long as each is new
            return
        known = listed()
        if known is None:
            return
        if known <= {t.user_attrs.get("candidate") for t in trials if t.state in DONE}:
            study.set_user_attr(EXHAUSTED, [len(known), len(counted(trials))])

    return record


def every_candidate(space: SearchSpace) -> frozenset[str] | None:
    """All candidates of a space as JSON; None if there are too many to list."""
    draws = list(islice(all_draws(space.candidate, all_values), MOST_DRAWS + 1))
    searched = (values for trial, _ in draws for values in trial.parameters.values())
    if len(draws) > MOST_DRAWS or any(values.size != len(values.items) for values in searched):
        return None
    return frozenset(candidate.to_json() for _, candidate in draws)


def exhausted(attrs: Mapping[str, Any]) -> tuple[int, int] | None:
    """How many candidates a space has, and how many trials tried them all; None if some are left
    to try, as far as is known."""
    match attrs.get(EXHAUSTED):
        case [int(candidates), int(trials)] if candidates > 0 and trials > 0:
            return candidates, trials
    return None


def exhausted_text(attrs: Mapping[str, Any]) -> str:
    """That nothing new is left, in a sentence; empty if there is."""
    found = exhausted(attrs)
    if found is None:
        return ""
    candidates, trials = found
    which = "The only candidate" if candidates == 1 else f"All {candidates:,} candidates"
    has = "has" if candidates == 1 else "have"
    return (
        f"{which} of this space {has} been tried, so the search ends after {trials:,} "
        f"trial{'' if trials == 1 else 's'}: more would repeat what is known."
    )
