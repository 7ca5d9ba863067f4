"""Is a gain one of accuracy, or of whether and how fast a network trains? In words."""

from collections.abc import Iterable

from nas import statistics as st
from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast
from nas.payoff.text import called, conditions, counted, interval, rate, signed


def equal_loss_sentences(payoff: Payoff, contrasts: Iterable[Contrast]) -> list[str]:
    """For each contrast a sentence on its deepest networks, and if nothing is known of these one on
    the deepest of which something is; none where no curve is known.
    """
    return [
        f"{equal_loss_words(payoff, one, layers)}."
        for one in contrasts
        for layers in told_depths(one)
    ]


def told_depths(one: Contrast) -> list[int]:
    """The deepest networks, and the deepest that can be told apart."""
    known = [layers for layers, found in one.equal_loss.items() if found.equal]
    deepest = [max(layers)] if (layers := list(one.equal_loss)) else []
    return list(dict.fromkeys([*deepest, *([max(known)] if known else [])]))


def equal_loss_words(payoff: Payoff, one: Contrast, layers: int) -> str:
    """What of a gain in validation error is left at equal training loss."""
    found = one.equal_loss[layers]
    where = (
        f"Validation error at {layers} layers, {called(payoff.vary, one.arm)} against "
        f"{called(payoff.vary, one.reference)} ({conditions(payoff.vary, one.order, rate(one))})"
    )
    if found.equal is None:
        both = "pair that trains has" if found.apart == 1 else "pairs that both train have"
        return (
            f"{where}: what is left at equal training loss is not known, as the {found.apart} "
            f"{both} no training loss in common"
        )
    points = f"{where}: of {signed(found.total)} points"
    if found.both is None:
        return f"{points}, all are whether a network trains: in no pair both do"
    return (
        f"{points}, {signed(found.trains + found.sooner)} are whether and how fast a network "
        f"trains, and {signed(found.equal.mean)} stay at equal training loss "
        f"({'; '.join(remarks(found, found.equal, found.both))})"
    )


def remarks(found: st.EqualLoss, equal: st.Effect, both: st.Effect) -> list[str]:
    """The interval of what stays, and what to know of it."""
    said = [told(equal)]
    if found.failed:
        failed = f"{found.failed} of them a run does not train, {signed(found.trains)} points"
        said.append(f"in {failed}; in the others {signed(both.mean)} stay, {told(both)}")
    if found.apart:
        verb = "is" if found.apart == 1 else "are"
        pairs = counted(found.apart, "further pair")
        said.append(f"{pairs} without a training loss in common {verb} left out")
    if found.is_coarse:
        said.append(f"rough, from curves of {counted(found.epochs, 'epoch')}")
    return said


def told(effect: st.Effect) -> str:
    """The interval, and whether it leaves zero out."""
    return interval(effect) if effect.resolved else f"not resolved, {interval(effect)}"
