"""Facts -> sections -> the files of the report."""

from collections import Counter
from collections.abc import Sequence

from nas.report.data import Facts, pareto_front
from nas.report.depth_sweep import Twins
from nas.report.document import Section
from nas.report.observed import observe
from nas.report.sections.best import best_section, objective_cell
from nas.report.sections.method import method_section
from nas.report.sections.observed_sections import observed_section, surface_section
from nas.report.sections.search_figures import scale
from nas.report.sections.search_sections import search_section
from nas.report.sections.twin_sections import check_section, twin_sections
from nas.report.style import counted
from nas.report.trial_rows import Row
from nas.report.writers.html import page
from nas.report.writers.markdown import markdown
from nas.report.writers.tables import payoff_json, trials_csv

#: candidates trained to their end from which on the search is looked at as data
FEWEST = 4


def assemble(facts: Facts) -> tuple[dict[str, str], list[Section]]:
    """The text of every file by name, and the sections of the page."""
    seen = observe(facts.rows)
    front = pareto_front(facts.rows, facts.maximise)
    twins = (
        Twins(facts.payoff, facts.twins) if facts.payoff is not None and facts.has_twins else None
    )
    sections = twin_sections(twins) if twins else []
    sections.append(search_section(facts, front))
    if seen.n >= FEWEST:
        sections += [observed_section(facts, seen), surface_section(facts.rows)]
    if twins:
        sections.append(check_section(twins))
    sections += [best_section(facts, front), method_section(facts)]
    sections = [section for section in sections if section.parts]
    command = "" if facts.has_twins else facts.command
    shown = (
        f"Where shortcuts pay off: {facts.name}",
        lead(facts, front),
        facts.verdict,
        command,
        sections,
    )
    files = {
        "report.html": page(*shown),
        "report.md": markdown(*shown),
        "payoff.json": payoff_json(facts, seen),
        "trials.csv": trials_csv(facts.rows, facts.objectives),
    }
    return files, sections


def lead(facts: Facts, front: Sequence[Row]) -> list[str]:
    """Data, trials, the best one, twins and date in a few words."""
    counts = Counter(row.outcome for row in facts.rows)
    runs = [*facts.rows, *facts.twins.values()]
    data = next((row.candidate.dataset.name for row in runs if row.candidate), "")
    trained = f"{counted(len(facts.rows), 'trial')}, {counts['trained']:,} trained to their end"
    finished = {twin.trial for twin in facts.payoff.twins} if facts.payoff else set()
    twins = counted(len(finished), "twin") if finished else "no twins"
    ended = [row.trial.datetime_complete for row in runs if row.trial.datetime_complete]
    date = f"{max(ended):%d %B %Y}".lstrip("0") if ended else ""
    return [part for part in (data, trained, best_words(facts, front), twins, date) if part]


def best_words(facts: Facts, front: Sequence[Row]) -> str:
    """The best trial by the first objective."""
    if not front:
        return ""
    best, objective = front[0], facts.objectives[0]
    title, _, unit = scale(objective).title.partition(" (")
    sign = "%" if unit.startswith("%") else ""
    return f"best trial {best.number}, {title} {objective_cell(best, 0, objective)}{sign}"
