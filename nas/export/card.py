"""A model card beside an exported module: what the network is, how good, and made from what.

Names of studies, classes and files are foreign text: they stand as code, which nothing in them can
end.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.common.provenance import provenance
from nas.data.facts import DATASETS
from nas.export.formatting import visible
from nas.export.prediction import Inputs
from nas.training.candidate import Candidate

USE = """\
```python
import torch
from {stem} import Network, predict

network = Network()
network.load_state_dict(torch.load({weights}, weights_only=True))
print({call}
```"""
MEASURED = (
    "Each accuracy is of one training, on the test split of the same data, which is read after the "
    "choice and once for each training. What the network does with other pictures was not measured."
)
UNMEASURED = (
    "The test split was not read: these are the weights of the search, chosen by their validation "
    "accuracy, which is therefore too high."
)


@dataclass(frozen=True)
class Card:
    """What a card tells of an exported module.

    facts: sentences. accuracies: seed -> test accuracy from 0 to 1, none with the weights of the
    search. files: those written, the module first.
    """

    study: str
    trial: int
    candidate: Candidate
    inputs: Inputs
    facts: Sequence[str]
    accuracies: Mapping[int, float]
    files: Sequence[Path]

    def text(self) -> str:
        """The card in Markdown."""
        module = self.files[0]
        sections = {
            f"# {code(module.name)}": f"Trial {self.trial} of the study {code(self.study)}.",
            "## Use": use(module, self.candidate, self.inputs),
            "## Files": bullets(code(path.name) for path in self.files),
            "## What is known of it": bullets(map(escaped, self.facts)),
            "## Accuracy": accuracy(self.accuracies, self.inputs),
            "## Data": bullets(data(self.candidate, self.inputs)),
            "## Candidate": candidate(self.candidate),
            "## Made with": bullets(f"{key}: {code(text)}" for key, text in provenance().items()),
        }
        return "\n\n".join(f"{head}\n\n{text}" for head, text in sections.items()) + "\n"


def use(module: Path, candidate: Candidate, inputs: Inputs) -> str:
    """A few lines that load the network."""
    shape = ", ".join(map(str, ("N", *candidate.architecture.image_shape)))
    weights = json.dumps(module.with_suffix(".pt").name)
    kind = ", uint8 from 0 to 255" if inputs.mean else ", as the data module gives them"
    call = f"predict(network, pictures))  # ({shape}){kind}"
    if inputs.rows is not None:
        call = "predict(network, rows))  # each a dict of columns to values, as of csv.DictReader"
    return USE.format(stem=module.stem, weights=weights, call=call)


def accuracy(accuracies: Mapping[int, float], inputs: Inputs) -> str:
    """A table of the trainings."""
    noun = "pictures" if inputs.rows is None else "rows"
    if not accuracies:
        return UNMEASURED
    rows = [f"| {seed} | {100 * value:.2f} % |" for seed, value in accuracies.items()]
    goal = "share of the variance explained (R²)" if inputs.is_number else "test accuracy"
    head = [f"| seed | {goal} |", "|---|---|"]
    return "\n".join([*head, *rows, "", MEASURED.replace("pictures", noun)])


def data(candidate: Candidate, inputs: Inputs) -> list[str]:
    """Where the pictures come from, as far as that is known."""
    dataset = candidate.dataset
    lines = [f"data set: {code(dataset.source or dataset.name)}"]
    if dataset.name in DATASETS and (page := DATASETS[dataset.name].home_page):
        lines += [f"home page: <{page}>"]
    licence = DATASETS[dataset.name].licence if dataset.name in DATASETS else ""
    lines += [f"licence of the data: {licence or 'not known to nas: ask those who published them'}"]
    if inputs.classes:
        lines += [f"classes: {', '.join(map(code, inputs.classes))}"]
    if inputs.rows is not None:
        columns = [one["name"] for key in ("numbers", "categories") for one in inputs.rows[key]]
        lines += [f"columns: {', '.join(map(code, columns))}"]
    return lines


def candidate(one: Candidate) -> str:
    """The JSON of the candidate, from which nas can build and train it again."""
    written = json.dumps(json.loads(one.to_json()), indent=2)
    return f"`{one.hash}`\n\n```json\n{written}\n```"


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {line}" for line in lines)


def code(text: str) -> str:
    """Foreign text as code."""
    return f"`{visible(text).replace('`', chr(39))}`"


def escaped(text: str) -> str:
    """A sentence in which nothing is Markdown or HTML."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>&|#" else c for c in visible(text))
