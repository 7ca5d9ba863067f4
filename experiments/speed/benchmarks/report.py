"""What the report and the analysis of twins cost in long studies.

Studies of 1,000 and 10,000 finished trials of 10 epochs lie in SQLite, and ladders of as many
finished twins. Each is read by a process of its own: seconds of processor time, with the imports.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from experiments.speed.studies import fill, fill_twins
from experiments.speed.table import Row
from nas.search.study import create_study
from nas.space.space import SearchSpace
from nas.storage.open import open_storage

COUNTS = (1_000, 10_000)
SECONDS, MIB = 5, 400
DEPTHS, ARMS = 10, 2
REPORT = """
from nas.report.build import write_report
write_report(sys.argv[1], "cifar", sys.argv[2])
"""
ANALYSIS = """
from nas.payoff.analysis import analyse
from nas.payoff.verdict import verdict
from nas.storage.open import open_storage
from nas.search.study import load_study
verdict(analyse(load_study(open_storage(sys.argv[1]), "cifar-twins")))
"""
SPENT = """
lines = open("/proc/self/status").read().splitlines()
peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
print(time.process_time(), int(peak) / 1024)
"""


def measure() -> list[Row]:
    """Three rows for each length."""
    space = SearchSpace.load("cifar", ["training.epochs=10"])
    return [row for count in COUNTS for row in rows(space, count)]


def rows(space: SearchSpace, count: int) -> list[Row]:
    """The report of a search, the analysis of twins, and the report of both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        long, twins = (f"sqlite:///{folder}/{kind}.db" for kind in ("search", "twins"))
        fill(create_study(open_storage(long, create=True), "cifar", space), space, count)
        short = create_study(open_storage(twins, create=True), "cifar", space)
        fill(short, space, 30)
        fill_twins(short, space, DEPTHS, count // (DEPTHS * ARMS))
        return [
            row(f"`nas report`, {count:,} trials", REPORT, long, folder),
            row(f"analysis of {count:,} twins", ANALYSIS, twins, folder),
            row(f"`nas report`, {count:,} twins", REPORT, twins, folder),
        ]


def row(what: str, program: str, url: str, folder: Path) -> Row:
    """What a program spends, in a process of its own."""
    command = [sys.executable, "-c", f"import sys, time{program}{SPENT}", url, str(folder)]
    seconds, mib = map(float, subprocess.check_output(command, text=True).split()[-2:])
    size = f"page of {(folder / 'cifar/report.html').stat().st_size / 2**20:.1f} MiB"
    return Row(
        what=f"processor time and peak memory of {what}",
        goal=f"at most {SECONDS} s and {MIB} MiB",
        found=f"{seconds:.1f} s, {mib:.0f} MiB",
        reached=seconds <= SECONDS and mib <= MIB,
        note=size if program == REPORT else "",
    )
