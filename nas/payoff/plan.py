"""The runs that compare twins, in the order they are trained, each with its place."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nas.model.architecture import Named
from nas.payoff.variants import Arms, best_arms, control, ladder, stage_arms, variants
from nas.space.schema import PayoffSection
from nas.training.candidate import Candidate

#: what tunes the learning rate, apart from the seeds that are compared
TUNING_SEED = 10_000


#: (comparison, activation order, depth, arm) -> a factor of the learning rate
Factors = dict[tuple[str, str, int, str], float]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The place of a run in the comparison.

    comparison: `ladder`, `stages`, `top 1`, `top 2`, … or a variant of the ladder, as in `block
    bottleneck` and `width × 2`. role: `shared` learning rate, `tune` or
    `own` best one. depth: blocks in every stage, 0 for a candidate of its own depths. budget:
    multiple of the epochs.
    """

    comparison: str
    order: str
    depth: int
    arm: str
    role: str
    lr: float
    budget: int
    seed: int


@dataclass(frozen=True)
class Run:
    """A candidate and a seed, with the place it has in the comparison."""

    cell: Cell
    candidate: Candidate


def first_runs(base: list[Candidate], settings: PayoffSection, depths: list[int]) -> Iterator[Run]:
    """Ladder and best candidates at the shared learning rate, seed by seed, then the tuning."""
    named = compared(base, settings, depths)
    controlled = {"ladder": named["ladder"] | control(base[0], settings, depths)}
    yield from over_seeds(named | controlled, settings)
    yield from tuning_runs(named, settings)


def compared(base: list[Candidate], settings: PayoffSection, depths: list[int]) -> dict[str, Arms]:
    """Comparison -> its arms, for those that stand at each arm's own best learning rate too."""
    return {"ladder": ladder(base[0], settings, depths)} | best_arms(base, settings)


def further_runs(
    base: list[Candidate], settings: PayoffSection, depths: list[int]
) -> Iterator[Run]:
    """The factorial over stages, and the ends of the ladder with other blocks, at other widths and
    at other budgets.
    """
    if settings.stages and settings.vary == "shortcut":
        yield from over_seeds({"stages": stage_arms(base[0], depths[-1])}, settings)
    ends = sorted({depths[0], depths[-1]})
    named = {name: ladder(one, settings, ends) for name, one in variants(base[0], settings).items()}
    yield from over_seeds(named, settings)
    for budget in settings.budgets:
        if budget != 1:
            yield from over_seeds({"ladder": ladder(base[0], settings, ends)}, settings, budget)


def over_seeds(named: dict[str, Arms], settings: PayoffSection, budget: int = 1) -> Iterator[Run]:
    """Every arm of some comparisons at the shared learning rate, one seed after the other."""
    for number in range(settings.seeds):
        for comparison, arms in named.items():
            for (order, depth, arm), candidate in arms.items():
                yield at(candidate, comparison, order, depth, arm, "shared", 1.0, budget, number)


def tuning_runs(named: dict[str, Arms], settings: PayoffSection) -> Iterator[Run]:
    """The grid of learning rates for each arm, on a seed of its own."""
    if len(settings.lr_factors) > 1:
        for comparison, arms in named.items():
            for (order, depth, arm), candidate in arms.items():
                for factor in settings.lr_factors:
                    yield at(
                        candidate, comparison, order, depth, arm, "tune", factor, 1, TUNING_SEED
                    )


def own_runs(
    base: list[Candidate], settings: PayoffSection, depths: list[int], best: Factors
) -> Iterator[Run]:
    """Ladder and best candidates with each arm at the learning-rate factor that tuned best."""
    named = compared(base, settings, depths)
    for number in range(settings.seeds):
        for comparison, arms in named.items():
            for (order, depth, arm), candidate in arms.items():
                factor = best.get((comparison, order, depth, arm))
                if factor is not None:
                    yield at(candidate, comparison, order, depth, arm, "own", factor, 1, number)


def at(
    candidate: Candidate,
    comparison: str,
    order: str,
    depth: int,
    arm: str,
    role: str,
    factor: float,
    budget: int,
    seed: int,
) -> Run:
    """The candidate with its learning rate and epochs multiplied."""
    training = candidate.training
    lr = float(f"{training.optimizer.arguments['lr'] * factor:.6g}")
    optimizer = Named.of(training.optimizer.name, **training.optimizer.arguments | {"lr": lr})
    trained = replace(training, optimizer=optimizer, epochs=training.epochs * budget)
    cell = Cell(
        comparison=comparison,
        order=order,
        depth=depth,
        arm=arm,
        role=role,
        lr=lr,
        budget=budget,
        seed=seed,
    )
    return Run(cell, replace(candidate, training=trained))
