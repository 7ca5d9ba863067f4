"""Rows of the table, and how they are written."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nas.common.provenance import provenance

HERE = Path(__file__).parent
RESULTS, README = HERE / "results.json", HERE / "README.md"
BEGIN, END = "<!-- begin of table -->\n", "<!-- end of table -->\n"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line: what was measured, what was wanted of it, what was found and how sure that is."""

    what: str
    found: str
    goal: str = ""
    reached: bool | None = None
    interval: str = ""
    pairs: int = 0
    note: str = ""

    def markdown(self) -> str:
        """The line."""
        reached = {True: "yes", False: "**no**", None: ""}[self.reached]
        cells = (self.what, self.goal, self.found, self.interval, self.pairs or "", reached)
        return f"| {' | '.join(map(str, cells))} | {self.note} |"


def keep(benchmark: str, rows: list[Row], kernels: str = "") -> None:
    """Put the rows of one benchmark in the place of its older ones, with what they depend on; those
    of other kernels than the processor's own stand beside them."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[benchmark + kernels] = {
        "rows": [asdict(replace(row, what=row.what + kernels)) for row in rows],
        "processor": processor(),
        "versions": provenance(),
    }
    RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n")


def processor() -> str:
    """The name of the processor, where Linux tells."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(": ")[1] for line in lines if line.startswith("model name"))


def text() -> str:
    """The table of all benchmarks that ever ran here."""
    results = json.loads(RESULTS.read_text())
    rows = [Row(**row) for found in results.values() for row in found["rows"]]
    head = "| what | goal | found | 95% interval | pairs | reached | note |\n" + 7 * "|---" + "|\n"
    return head + "".join(row.markdown() + "\n" for row in rows)


def publish() -> None:
    """Write the table into the README."""
    before, rest = README.read_text().split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(before + BEGIN + text() + END + after)
