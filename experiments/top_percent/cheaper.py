"""What cheaper trainings foretell: those on smaller pictures, and those on fewer.

    NAS_DATA_DIR=... python -m experiments.top_percent.cheaper

Every fourth architecture of the table is trained so, and ranked by what it shows after some
epochs; the correlation is with its validation accuracy at the end of the whole training.
"""

import json
import multiprocessing

from optuna.trial import FixedTrial
from scipy.stats import spearmanr

from experiments.top_percent.table import HERE, PROCESSES, SPACE, row, rows
from nas.space.space import SearchSpace

RESULT = HERE / "cheaper.jsonl"
EVERY = 4
EPOCHS = (2, 4, 8, 16)
#: what is told -> settings of the space; without any it is the table itself
WAYS = {
    "as in the table": [],
    "8x8 pictures": ["dataset.image_size=8"],
    "12x12 pictures": ["dataset.image_size=12"],
    "512 pictures": ["dataset.train_size=512"],
}


def trained(task: tuple[str, dict[str, object]]) -> dict[str, object]:
    """One architecture trained one way; `of` is that of the table."""
    way, known = task
    candidate = SearchSpace.load(SPACE, WAYS[way]).candidate(FixedTrial(known["params"]))
    return {"way": way, "of": known["hash"], **row(known["params"], candidate)}


def record() -> None:
    """Train what is not recorded."""
    text = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
    known = {(one["way"], one["of"]) for one in map(json.loads, text.splitlines())}
    tasks = [(way, one) for way in WAYS if WAYS[way] for one in rows()[::EVERY]]
    due = [(way, one) for way, one in tasks if (way, one["hash"]) not in known]
    with multiprocessing.Pool(PROCESSES) as pool, RESULT.open("a", encoding="utf-8") as file:
        for found in pool.imap(trained, due):
            file.write(json.dumps(found) + "\n")
            file.flush()


def main() -> None:
    """One line for each way and epoch."""
    record()
    whole = {one["hash"]: one for one in rows()[::EVERY]}
    found = [json.loads(line) for line in RESULT.read_text(encoding="utf-8").splitlines()]
    found += [{"way": "as in the table", "of": key, **one} for key, one in whole.items()]
    price = sum(one["seconds"] for one in whole.values())
    print("| way | epochs | of the time | validation accuracy | training loss of the epoch |")
    print("|---|---|---|---|---|")
    for way in WAYS:
        own = [one for one in found if one["way"] == way]
        goal = [whole[one["of"]]["val_accuracy"][-1] for one in own]
        share = sum(one["seconds"] for one in own) / price
        for epoch in EPOCHS:
            accuracy = [one["val_accuracy"][epoch - 1] for one in own]
            loss = [-one["train_loss"][epoch - 1] for one in own]
            ranks = [float(spearmanr(signal, goal).statistic) for signal in (accuracy, loss)]
            told = f"{share * epoch / EPOCHS[-1]:.0%} | {ranks[0]:.2f} | {ranks[1]:.2f}"
            print(f"| {way} | {epoch} | {told} |")


if __name__ == "__main__":
    main()
