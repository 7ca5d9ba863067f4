"""Every twin run of the experiments in one open table, and the reports told from it again.

    python -m experiments.resbench            # runs.csv and plans.json, from experiments/*/results
    python -m experiments.resbench replay     # the first sentence of every report, from the table

The second ends with status 1 if a number differs.
"""

import sys

from experiments.resbench.replay import replayed
from experiments.resbench.table import FOLDER, sources, written


def main() -> None:
    """Write the table, or tell the reports from it."""
    if sys.argv[1:] != ["replay"]:
        for name, text in written().items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"{len(list(sources()))} results, in {FOLDER.name}/runs.csv and plans.json")
        return
    rows = list(replayed())
    for row in rows:
        print(f"{row.experiment}: {row.told}")
        print(f"  {row.runs} runs; every effect the same to the last bit: {row.same_effects}")
        print(f"  the first sentence of its report: {'the same' if row.same_words else row.stored}")
    sys.exit(not all(row.same_effects and row.same_words for row in rows))


if __name__ == "__main__":
    main()
