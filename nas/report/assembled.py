"""Facts -> sections -> the files of the report."""

from collections import Counter

from nas.report.best import best_section
from nas.report.content import Section
from nas.report.facts import Facts, pareto_front
from nas.report.ladder import Twins
from nas.report.machine import payoff_json, trials_csv
from nas.report.markdown import markdown
from nas.report.method import method_section
from nas.report.observed import observe
from nas.report.page import page
from nas.report.search_sections import observed_section, search_section, surface_section
from nas.report.twin_sections import check_section, twin_sections


def assemble(facts: Facts) -> tuple[dict[str, str], list[Section]]:
    """The text of every file by name, and the sections of the page."""
    seen = observe(facts.rows)
    front = pareto_front(facts.rows, facts.maximise)
    twins = Twins(facts.payoff, facts.twins) if facts.payoff is not None and facts.has_twins else None
    sections = twin_sections(twins) if twins else []
    sections.append(search_section(facts, front))
    if seen.n:
        sections += [observed_section(facts, seen), surface_section(facts.rows)]
    if twins:
        sections.append(check_section(twins))
    sections += [best_section(facts, front), method_section(facts)]
    sections = [section for section in sections if section.parts]
    command = "" if facts.has_twins else facts.command
    shown = (f"Where shortcuts pay off: {facts.name}", lead(facts), facts.verdict, command, sections)
    files = {
        "report.html": page(*shown),
        "report.md": markdown(*shown),
        "payoff.json": payoff_json(facts, seen),
        "trials.csv": trials_csv(facts.rows, facts.objectives),
    }
    return files, sections


def lead(facts: Facts) -> list[str]:
    """Data, trials, twins and date in a few words."""
    counts = Counter(row.outcome for row in facts.rows)
    runs = [*facts.rows, *facts.twins.values()]
    data = next((row.candidate.dataset.name for row in runs if row.candidate), "")
    trained = f"{len(facts.rows)} trials, {counts['trained']} trained to their end"
    twins = f"{len({twin.trial for twin in facts.payoff.twins})} twins" if facts.payoff and facts.has_twins else "no twins"
    ended = [row.trial.datetime_complete for row in runs if row.trial.datetime_complete]
    return [part for part in (data, trained, twins, f"{max(ended):%d %B %Y}" if ended else "") if part]
