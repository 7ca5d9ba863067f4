"""Analyse stored twins anew, without their study: PAYOFF.JSON FOLDER.

    python -m experiments.again experiments/depth_ladder/results/payoff.json runs/again

Writes report.html and report.md: the verdict of today's analysis with its tables and figures of
gains. Figures of gradients are left out, as payoff.json does not have them, and where the file is
older than the curves in it, so is what is left at equal training loss.
"""

import json
import sys
from pathlib import Path
from typing import Any

from nas.payoff.analysis import Payoff, compare
from nas.payoff.records import Twin
from nas.payoff.verdict import verdict
from nas.report.depth_sweep import Twins
from nas.report.document import Section
from nas.report.sections.accuracy import accuracy_section
from nas.report.sections.after_training import after_training_section
from nas.report.sections.checks import budget_table, speed_table, tuning_table
from nas.report.sections.design_space import map_section
from nas.report.sections.gain import gain_section
from nas.report.sections.rivals import rival_section
from nas.report.sections.stages import stage_section
from nas.report.sections.trains import trains_section
from nas.report.sections.verdict_table import verdict_table
from nas.report.writers.html import page
from nas.report.writers.markdown import markdown
from nas.training.metrics.run import WINDOW


def stored(file: Path) -> Payoff:
    """The twins of a payoff.json, compared."""
    found = json.loads(file.read_text(encoding="utf-8"))["twins"]
    twins = [twin(row) for row in found["twins"]]
    fixed = {key: found[key] for key in ("vary", "smallest_effect", "primary")}
    return compare(twins, fixed | {"rivals": planned_rivals(twins)})


def planned_rivals(twins: list[Twin]) -> dict[str, Any]:
    """The rivals of shortcuts, which all have as many pairs."""
    runs = [one for one in twins if one.comparison == "rivals" and one.role == "shared"]
    arms = list(dict.fromkeys(one.arm for one in runs if "," in one.arm))
    return {"arms": arms, "pairs": len({one.seed for one in runs})}


def twin(row: dict[str, Any]) -> Twin:
    """A run; older files have its steps without the window of the moving average, and count from
    the first step of the last stretch of losses that was kept.
    """
    is_older = "key" not in row and row["steps"] % row["epochs"] != 0
    if is_older:
        steps = -(-row["steps"] // row["epochs"]) * row["epochs"]
        made = row["steps_to"] and row["steps_to"] + WINDOW
        row = row | {"steps": steps, "steps_to": made}
    return Twin(**row)


def sections(twins: Twins) -> list[Section]:
    """Gains, maps and stages, and what else could explain them."""
    payoff = twins.payoff
    checks = [budget_table(payoff), speed_table(payoff.ladder)]
    checks += [tuning_table(payoff)] if payoff.tuned else []
    checked = Section("checks", "What else could explain the gains?", checks)
    makers = (
        *(gain_section, trains_section, accuracy_section, map_section, stage_section),
        rival_section,
        after_training_section,
    )
    found = [*(make(twins) for make in makers), checked]
    return [section for section in found if section.parts]


def main() -> None:
    """Write both files."""
    file, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    payoff = stored(file)
    twins = Twins(payoff, {})
    shown = (
        f"Where shortcuts pay off: {file.parents[1].name}, analysed anew",
        [f"{len({one.trial for one in payoff.twins})} trainings"],
        verdict(payoff),
        "",
        sections(twins),
        verdict_table(twins),
    )
    (folder / "report.html").write_text(page(*shown, twins.colours), encoding="utf-8")
    (folder / "report.md").write_text(markdown(*shown), encoding="utf-8")
    print(*verdict(payoff), sep="\n")


if __name__ == "__main__":
    main()
