"""Write docs/gallery.md: the figures of all experiments, with what their reports say first.

    python -m experiments.gallery > docs/gallery.md

Only what lies in experiments/*/results is shown; the figures are those that `experiments.figures`
saved.
"""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: the beginning of a figure's name -> what it shows, in the order of the page
SHOWN = {
    "gain-train-error": "Gain in training error",
    "gain-val-error": "Gain in validation error",
    "trains": "Runs that train",
    "parts": "Parts of the gain in validation error",
    "equal-loss": "Validation error against training loss",
    "map-train-error": "Map of the gain in training error",
    "stages": "What the shortcuts of each stage are worth",
    "blocks-train-error": "What the shortcut of each block is worth",
    "robustness": "Gains of the finished networks",
    "lesion": "Error without a block",
    "curve-train-loss": "Training loss",
    "curve-val-error": "Validation error",
    "gradient": "Gradient norm from block to block",
}
#: parts of names in words; a number at the end is the step or the blocks of a stage
WORDS = {
    "post-activation": "post-activation",
    "pre-activation": "pre-activation",
    "own": "each arm at its own best learning rate",
    "shared": "all at the shared learning rate",
    "end": "at the end",
}
HEAD = """# Gallery

What the experiments found, in pictures: made from `experiments/*/results` by
`python -m experiments.gallery > docs/gallery.md`.
How a figure is read: [reading the report](reading-the-report.md).
"""


def page() -> str:
    """The whole page, experiments by name."""
    folders = sorted(path.parent for path in ROOT.glob("experiments/*/results"))
    return "\n".join([HEAD, *(text for folder in folders for text in section(folder))])


def section(folder: Path) -> Iterator[str]:
    """An experiment: its title, what its report says first, its figures; nothing without these."""
    figures = sorted((folder / "results").rglob("figure-*.svg"), key=place)
    reports = sorted((folder / "results").rglob("report.md"))
    if not figures and not reports:
        return
    title = (folder / "README.md").read_text(encoding="utf-8").partition("\n")[0].strip("# ")
    yield f"## [{title}](../experiments/{folder.name}/README.md)\n"
    for report in reports:
        part = "" if report.parent.name == "results" else f"*{report.parent.name.capitalize()}.* "
        yield f"{part}{first_said(report.read_text(encoding='utf-8'))}\n"
    for figure in figures:
        yield f"**{caption(figure)}**\n\n![{caption(figure)}](../{figure.relative_to(ROOT)})\n"


def first_said(report: str) -> str:
    """The sentence in bold that a report begins with."""
    found = re.search(r"^\*\*(.+)\*\*$", report, flags=re.MULTILINE)
    return found.group(1) if found else ""


def name_of(figure: Path) -> str:
    """A figure's name without what all have in common."""
    return figure.stem.removeprefix("figure-")


def kind(figure: Path) -> str:
    """What a figure shows, as a key of SHOWN; its name where it is none."""
    return next((key for key in SHOWN if name_of(figure).startswith(key)), name_of(figure))


def place(figure: Path) -> tuple[int, str]:
    """Where a figure stands on the page."""
    keys = list(SHOWN)
    key = kind(figure)
    return (keys.index(key) if key in keys else len(keys)), figure.name


def caption(figure: Path) -> str:
    """What a figure shows and of which networks."""
    key = kind(figure)
    rest = name_of(figure).removeprefix(key).strip("-")
    said = [word for part, word in WORDS.items() if re.search(rf"(^|-){part}(-|$)", rest)]
    number = re.search(r"(\d+)$", rest)
    if number:
        unit = "at step {}" if key == "gradient" else "{} blocks in every stage"
        said.append(unit.format(number.group(1)))
    return ", ".join([SHOWN.get(key, key), *said])


if __name__ == "__main__":
    print(page(), end="")
