"""What the comparison of two studies says, in sentences."""

import json
from collections.abc import Sequence

from nas.payoff.text import counted, plain_number
from nas.report.writers.tables import jsonable
from nas.statistics import Word, p_words
from nas.tables.text import digits_of
from nas.tables.two_payoffs import GainDifference
from nas.tables.two_studies import Difference


def sentences(found: Difference) -> list[str]:
    """What the comparison says, and what it is made of."""
    digits = digits_of([(found.low, found.high)])
    size = f"{'higher' if found.mean >= 0 else 'lower'} by {plain_number(abs(found.mean), digits)}"
    interval = f"95% CI {plain_number(found.low, digits)} to {plain_number(found.high, digits)}"
    of = counted(found.num_pairs, "pair") if found.num_pairs else unpaired_words(found)
    lead = LEADS[found.answer].format(smallest=f"{found.smallest_effect:g}")
    if found.mean == found.low == found.high == 0 and found.num_pairs:
        return [f"{found.objective} is the same to the last digit in {of}.", *how(found, digits)]
    pairs = counted(found.more_pairs or 0, "more pair")
    more = f" About {pairs} with this mean and spread would decide it." if found.more_pairs else ""
    first = (
        f"{lead}{found.objective} of {found.second} is {size} than that of {found.first} "
        f"({interval}, {of}); p {p_words(found.p_value)}.{more}"
    )
    return [first, *how(found, digits)]


#: what the answers say of the second study
LEADS: dict[Word, str] = {
    "pays": "The second is better: ",
    "costs": "The second is worse: ",
    "no difference": "No difference of {smallest} or more: ",
    "undecided": "Undecided: ",
}


def unpaired_words(found: Difference) -> str:
    """How many trials there are on either side."""
    return f"{found.sizes[0]:,} against {counted(found.sizes[1], 'trial')}"


def how(found: Difference, digits: int) -> list[str]:
    """How the studies were compared, and what that cannot tell."""
    best = (
        f"Best: {plain_number(found.best[0], digits)} in {found.first}, "
        f"{plain_number(found.best[1], digits)} in {found.second}."
    )
    if found.num_pairs:
        return [
            "Paired: trials of one architecture, seed and values of the parameters that both "
            "studies searched.",
            best,
        ]
    return [
        "Not paired: too few candidates were trained with one seed in both. Compared are the "
        "trials that were drawn at random and trained to their end, by the permutation test of "
        "means.",
        best,
    ]


def as_text(found: Difference, gains: Sequence[GainDifference]) -> str:
    """The comparison as JSON, `gains` being those of the twins."""
    told = vars(found) | {"sentence": sentences(found)[0], "gains": gains}
    return json.dumps(jsonable(told), allow_nan=False, indent=1)
