"""Rows of the table, and how they are written."""

import json
from dataclasses import asdict, dataclass
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

    def markdown(self, where: str) -> str:
        """The line, with the processor it was measured on."""
        reached = {True: "yes", False: "**no**", None: ""}[self.reached]
        cells = (self.what, self.goal, self.found, self.interval, self.pairs or "", reached)
        return f"| {' | '.join(map(str, cells))} | {self.note} | {where} |"


def keep(benchmark: str, rows: list[Row], kernels: str = "") -> None:
    """Put the rows of one benchmark in the place of its older ones on this kind of processor, with
    what they depend on. kernels: which it took, where they are not its own."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    where = ", ".join(filter(None, (processor(), kernels)))
    results[f"{benchmark}, {where}"] = {
        "rows": [asdict(row) for row in rows],
        "processor": where,
        "versions": provenance(),
    }
    RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n")


def processor() -> str:
    """The name of the processor, where Linux tells, without what all names have."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    return name.replace("(R)", "").removesuffix(" Processor")


def text() -> str:
    """The table of all benchmarks that ever ran here."""
    results = json.loads(RESULTS.read_text()).values()
    rows = [(Row(**row), found["processor"]) for found in results for row in found["rows"]]
    names = ("what", "goal", "found", "95% interval", "pairs", "reached", "note", "processor")
    head = f"| {' | '.join(names)} |\n" + len(names) * "|---" + "|\n"
    return head + "".join(row.markdown(where) + "\n" for row, where in rows)


def publish() -> None:
    """Write the table into the README."""
    before, rest = README.read_text().split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(before + BEGIN + text() + END + after)
