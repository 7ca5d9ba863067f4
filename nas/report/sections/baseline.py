"""Random search beside the search: how good each was, and what one run of each can tell."""

from typing import NamedTuple

from nas.report.data import Facts
from nas.report.sections.search_figures import Best, best_so_far, by_time, scale, spent_on
from nas.report.style import counted, number
from nas.report.trial_rows import Row


class Run(NamedTuple):
    """A search, with its best trials so far by number and in the order in which trials ended."""

    name: str
    num_trials: int
    by_number: Best
    by_spending: Best
    seconds: float

    @property
    def best(self) -> float | None:
        """The best value of the first objective; None where no trial was trained to its end."""
        return self.by_number.values[-1] if self.by_number.values else None


def runs_of(facts: Facts) -> list[Run]:
    """The search, and random search where it was run."""
    sampler = f" ({facts.space.sampler})" if facts.space else ""
    found = [run(f"the search{sampler}", facts.rows, facts.maximise[0])]
    if facts.baseline:
        found.append(run("random search", facts.baseline, facts.maximise[0]))
    return found


def run(name: str, rows: list[Row], maximise: bool) -> Run:
    """One search."""
    not_ended = ("rejected", "running", "paused", "due")
    counted_rows = [row for row in rows if row.outcome not in not_ended]
    return Run(
        name,
        len(counted_rows),
        best_so_far(rows, maximise),
        best_so_far(by_time(rows), maximise),
        sum(map(spent_on, rows)),
    )


def comparison(facts: Facts) -> str:
    """Both in one sentence, and that one run of each is one run."""
    search, random = runs_of(facts)
    text = f"{started(reached(facts, search))}; {reached(facts, random)}, at another seed. "
    if search.best is not None and random.best is not None:
        text += f"{ahead(facts, search, random)} "
    return text + (
        "One run of each is one run: it does not tell which of them finds better networks in "
        "general, and at few trials random search may well win."
    )


def reached(facts: Facts, one: Run) -> str:
    """What a search reached, after how much."""
    spent = f"{counted(one.num_trials, 'trial')} and {number(one.seconds)} s of training"
    if one.best is None:
        return f"{one.name} trained no candidate to its end in {spent}"
    return f"{one.name} reached {value(facts, one.best)} in {spent}"


def ahead(facts: Facts, search: Run, random: Run) -> str:
    """Which of them was better here."""
    assert search.best is not None
    assert random.best is not None
    if search.best == random.best:
        return "Neither was ahead here."
    is_search = (search.best > random.best) == facts.maximise[0]
    return f"{started((search if is_search else random).name)} was ahead here."


def started(text: str) -> str:
    """A text as the start of a sentence."""
    return text[:1].upper() + text[1:]


def value(facts: Facts, best: float) -> str:
    """A value of the first objective with its name."""
    shown = scale(facts.objectives[0])
    title, _, unit = shown.title.partition(" (")
    digits = f"{100 * best:.2f}%" if unit.startswith("%") else number(shown.factor * best, 4)
    return f"{title} {digits}"
