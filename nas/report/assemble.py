"""From the data of a study to sections, and from these to the files of the report."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from nas.report.data import StudyData, pareto_front
from nas.report.depth_sweep import Twins
from nas.report.document import Section, Table
from nas.report.observational import observe
from nas.report.scales import scale
from nas.report.sections.accuracy import accuracy_section
from nas.report.sections.after_training import after_training_section
from nas.report.sections.best import best_section, objective_cell
from nas.report.sections.blocks import block_section
from nas.report.sections.checks import check_section
from nas.report.sections.curves import curve_section
from nas.report.sections.design_space import map_section
from nas.report.sections.gain import gain_section
from nas.report.sections.gradients import gradient_section
from nas.report.sections.method import method_section
from nas.report.sections.observed import observed_section
from nas.report.sections.rivals import rival_section
from nas.report.sections.search import search_section
from nas.report.sections.stages import stage_section
from nas.report.sections.surface import surface_section
from nas.report.sections.trains import trains_section
from nas.report.sections.verdict_table import verdict_table
from nas.report.style import counted
from nas.report.trial_rows import Row
from nas.report.writers.html import page
from nas.report.writers.markdown import markdown
from nas.report.writers.tables import payoff_json, trials_csv

#: candidates trained to their end from which on the search is looked at as data
FEWEST = 4
#: the sections on the twins in their order, but for the checks
OF_TWINS = (
    gain_section,
    trains_section,
    accuracy_section,
    map_section,
    stage_section,
    block_section,
    rival_section,
    after_training_section,
    curve_section,
    gradient_section,
)


def assemble(data: StudyData) -> tuple[dict[str, str], list[Section]]:
    """The text of every file by name, and the sections of the page."""
    seen = observe(data.rows)
    front = pareto_front(data.rows, data.maximise)
    twins = Twins(data.payoff, data.twins) if data.payoff is not None and data.has_twins else None
    sections = [of_twins(make, twins) for make in OF_TWINS] if twins else []
    sections.append(search_section(data, front))
    if seen.n >= FEWEST:
        sections += [observed_section(data, seen), surface_section(data.rows)]
    if twins:
        sections.append(of_twins(check_section, twins))
    sections += [best_section(data, front), method_section(data)]
    sections = [section for section in sections if section.parts]
    command = "" if data.has_twins else data.command
    shown = (
        f"Where shortcuts pay off: {data.name}",
        _lead(data, front),
        data.verdict,
        command,
        sections,
        verdict_table(twins) if twins else None,
    )
    files = {
        "report.html": page(*shown, twins.colours if twins else {}),
        "report.md": markdown(*shown),
        "payoff.json": payoff_json(data, seen),
        "trials.csv": trials_csv(data.rows, data.objectives),
    }
    return files, sections


def of_twins(make: Callable[[Twins], Section], twins: Twins) -> Section:
    """A section on the twins. Where activation orders are compared, they are the arms: the order of
    the network they were made from says nothing of any row.
    """
    section = make(twins)
    if twins.payoff.vary != "activation_order":
        return section
    parts = [
        part.without("activation order") if isinstance(part, Table) else part
        for part in section.parts
    ]
    return replace(section, parts=parts)


def _lead(data: StudyData, front: Sequence[Row]) -> list[str]:
    """Data, trials, the best one, twins and date in a few words."""
    counts = Counter(row.outcome for row in data.rows)
    runs = [*data.rows, *data.twins.values()]
    found = (row.candidate.dataset for row in runs if row.candidate)
    dataset = next((one.source or one.name for one in found), "")
    trained = f"{counted(len(data.rows), 'trial')}, {counts['trained']:,} trained to their end"
    finished = {twin.trial for twin in data.payoff.twins} if data.payoff else set()
    twins = counted(len(finished), "twin") if finished else "no twins"
    ended = [row.trial.datetime_complete for row in runs if row.trial.datetime_complete]
    date = f"{max(ended):%d %B %Y}".lstrip("0") if ended else ""
    return [part for part in (dataset, trained, _best_words(data, front), twins, date) if part]


def _best_words(data: StudyData, front: Sequence[Row]) -> str:
    """The best trial by the first objective."""
    if not front:
        return ""
    best, objective = front[0], data.objectives[0]
    title, _, unit = scale(objective).title.partition(" (")
    sign = "%" if unit.startswith("%") else ""
    equal = sum(
        row.outcome == "trained" and row.objective(0) == best.objective(0) for row in data.rows
    )
    more = f" ({counted(equal - 1, 'other')} as good)" if equal > 1 else ""
    return f"best trial {best.number}{more}, {title} {objective_cell(best, 0, objective)}{sign}"
