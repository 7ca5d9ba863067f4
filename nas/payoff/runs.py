"""The runs that compare twins, in the order they are trained, each with its place."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from nas.model.architecture import Named
from nas.payoff.block_masks import MASKS, ORDERS, mask_arms, nested_masks, random_masks
from nas.payoff.plan import Plan, PrimaryKey
from nas.payoff.rivals import RIVALS
from nas.payoff.variants import Arms, best_arms, control, ladder, stage_arms, variants
from nas.training.candidate import Candidate

#: the first seed of the tuning of learning rates, apart from the pairs, which begin at 0
TUNING_SEED = 10_000


class ArmKey(NamedTuple):
    """Where an arm stands.

    comparison: `ladder`, `stages`, `top 1`, `top 2`, … or a variant of the ladder, as in `block
    bottleneck` and `width × 2`. depth: blocks in every stage, 0 for a candidate of its own depths.
    budget: multiple of the epochs.
    """

    comparison: str
    order: str
    depth: int
    arm: str
    budget: int


#: what one run alone may have: place, role, seed, and in the tuning the learning rate
UniqueKey = tuple[ArmKey, str, int, float]
#: place -> a factor of the learning rate
Factors = Mapping[ArmKey, float]


@dataclass(frozen=True, kw_only=True)
class RunKey:
    """A place with a learning rate and a seed. role: `shared` rate, `tune` or `own` best one.
    added: asked for after the first twin had finished, so not in the plan.
    """

    comparison: str
    order: str
    depth: int
    arm: str
    role: str
    lr: float
    budget: int
    seed: int
    added: bool = False

    @property
    def place(self) -> ArmKey:
        """Where it stands."""
        return ArmKey(self.comparison, self.order, self.depth, self.arm, self.budget)

    @property
    def key(self) -> UniqueKey:
        """What one run alone may have; a place has one shared and one own rate."""
        return self.place, self.role, self.seed, self.lr if self.role == "tune" else 0.0

    def stored(self) -> dict[str, Any]:
        """As it is kept with its run."""
        found = asdict(self)
        return found if self.added else {k: v for k, v in found.items() if k != "added"}


@dataclass(frozen=True)
class TwinRun:
    """A candidate and a seed, with the place it has in the comparison."""

    cell: RunKey
    candidate: Candidate


def first_runs(plan: Plan) -> Iterator[TwinRun]:
    """Ladder and best candidates at the shared learning rate, seed by seed, then the tuning."""
    named = compared(plan)
    controlled = {"ladder": named["ladder"] | control(plan.base, plan.settings, plan.depths)}
    yield from over_seeds(named | controlled, plan)
    yield from tuning_runs(plan)


def further_runs(plan: Plan) -> Iterator[TwinRun]:
    """The factorial over stages, the rivals of shortcuts with their tuning, and the ends of the
    ladder with other blocks, at other widths and at other budgets, for which learning rates are
    tuned anew.
    """
    if plan.has_stages:
        yield from over_seeds({"stages": stage_arms(plan.base, plan.depths[-1])}, plan)
    yield from block_runs(plan)
    yield from over_seeds(rivals(plan), plan)
    yield from tuning_of(rivals(plan), plan)
    varied = variants(plan.base, plan.settings).items()
    named = {name: ladder(one, plan.settings, plan.ends) for name, one in varied}
    yield from over_seeds(named, plan)
    for budget in plan.other_budgets:
        yield from over_seeds(compared(plan, budget), plan, budget)
        if plan.tunes_every_budget:
            yield from tuning_runs(plan, budget)


def block_runs(plan: Plan) -> Iterator[TwinRun]:
    """Random masks over the blocks of the deepest network, each on one of the seeds of the pairs in
    turn, and random orders of adding shortcuts, each on a seed of its own.
    """
    depth, num_blocks = plan.depths[-1], plan.num_blocks
    groups = [
        (MASKS, number % plan.seeds, [mask])
        for number, mask in enumerate(random_masks(num_blocks, plan.settings.block_masks))
    ]
    groups += [
        (ORDERS, number, nested_masks(num_blocks, number))
        for number in range(plan.settings.block_orders)
    ]
    for comparison, seed, masks in groups:
        for place, candidate in placed({comparison: mask_arms(plan.base, depth, masks)}, 1):
            yield at(candidate, place, "shared", 1.0, seed)


def compared(plan: Plan, budget: int = 1) -> dict[str, Arms]:
    """Comparison -> its arms, for those that stand at each arm's own best learning rate too."""
    if budget != 1:
        return {"ladder": ladder(plan.base, plan.settings, plan.ends)}
    named = {"ladder": ladder(plan.base, plan.settings, plan.depths)}
    for rank, candidate in enumerate(plan.candidates[: plan.settings.top], start=1):
        named[f"top {rank}"] = best_arms(candidate, plan.settings, as_found=plan.has_as_found)
    return named


def over_seeds(named: Mapping[str, Arms], plan: Plan, budget: int = 1) -> Iterator[TwinRun]:
    """Every arm of some comparisons at the shared learning rate, one seed after the other."""
    for number in range(plan.seeds):
        for place, candidate in placed(named, budget):
            yield at(candidate, place, "shared", 1.0, number)


def tuning_runs(plan: Plan, budget: int = 1) -> Iterator[TwinRun]:
    """The grid of learning rates for each arm of the ladder and of the best candidates."""
    return tuning_of(compared(plan, budget), plan, budget)


def tuning_of(named: Mapping[str, Arms], plan: Plan, budget: int = 1) -> Iterator[TwinRun]:
    """The grid of learning rates for each arm of some comparisons, on seeds of its own."""
    if plan.has_own_rates:
        for place, candidate in placed(named, budget):
            for factor in plan.settings.lr_factors:
                for number in range(plan.settings.tuning_seeds):
                    run = at(candidate, place, "tune", factor, TUNING_SEED + number)
                    yield shortened(run, plan.settings.tuning_budget)


def shortened(run: TwinRun, share: float) -> TwinRun:
    """A run with a share of its epochs, one at least."""
    training = run.candidate.training
    epochs = max(1, round(share * training.epochs))
    return replace(run, candidate=replace(run.candidate, training=replace(training, epochs=epochs)))


def own_runs(plan: Plan, best: Factors, budgets: Iterable[int] = (1,)) -> Iterator[TwinRun]:
    """Ladder and best candidates with each arm at the learning-rate factor that tuned best."""
    for budget in budgets:
        yield from own_of(compared(plan, budget), plan, best, budget)


def last_runs(plan: Plan, best: Factors) -> Iterator[TwinRun]:
    """What `further_runs` tuned, with each arm at the learning-rate factor that tuned best."""
    yield from own_of(rivals(plan), plan, best)
    yield from own_runs(plan, best, plan.other_budgets)


def own_of(
    named: Mapping[str, Arms], plan: Plan, best: Factors, budget: int = 1
) -> Iterator[TwinRun]:
    """The arms of some comparisons that have a best factor, one seed after the other."""
    for number in range(plan.seeds):
        for place, candidate in placed(named, budget):
            if place in best:
                yield at(candidate, place, "own", best[place], number)


def rivals(plan: Plan) -> dict[str, Arms]:
    """The comparison of rivals, where there are some."""
    return {RIVALS: plan.rival_arms} if plan.rival_arms else {}


def alike(plan: Plan, factor: float) -> Factors:
    """One factor for every place that has a learning rate of its own."""
    budgets = [1, *(plan.other_budgets if plan.tunes_every_budget else ())]
    named = [placed(compared(plan, budget), budget) for budget in budgets]
    return {place: factor for some in [*named, placed(rivals(plan), 1)] for place, _ in some}


def ladder_tuning(plan: Plan, depths: list[int]) -> Iterator[TwinRun]:
    """The grid of learning rates for each arm of the ladder at some depths."""
    settings = plan.settings.model_copy(update={"depths": depths, "top": 0})
    return tuning_runs(replace(plan, settings=settings))


def ladder_pairs(
    plan: Plan,
    depths: list[int],
    seeds: Iterable[int],
    best: Factors,
    comparisons: Collection[PrimaryKey],
) -> Iterator[TwinRun]:
    """The arms of some primary comparisons at some depths, each at the learning rate at which it is
    compared, one seed after the other.
    """
    arms = {(order, role, arm) for order, role, *both in comparisons for arm in both}
    placed_arms = list(placed({"ladder": ladder(plan.base, plan.settings, depths)}, 1))
    for number in seeds:
        for place, candidate in placed_arms:
            if (place.order, "shared", place.arm) in arms:
                yield at(candidate, place, "shared", 1.0, number)
            if (place.order, "own", place.arm) in arms and place in best:
                yield at(candidate, place, "own", best[place], number)


def every_run(plan: Plan, factor: float) -> Iterator[TwinRun]:
    """All runs of a plan, those at own best rates with one factor for all."""
    best = alike(plan, factor)
    if plan.is_sequential:
        yield from ladder_pairs(plan, plan.ends, range(plan.most_pairs), best, plan.comparisons)
    yield from first_runs(plan)
    yield from further_runs(plan)
    if plan.has_own_rates:
        yield from own_runs(plan, best)
        yield from last_runs(plan, best)


def planned_keys(plan: Plan) -> set[UniqueKey]:
    """What the runs of a plan alone may have; no rate of those at own best ones is in it."""
    return {run.cell.key for run in every_run(plan, 1.0)}


def placed(named: Mapping[str, Arms], budget: int) -> Iterator[tuple[ArmKey, Candidate]]:
    """Every arm with its place."""
    for comparison, arms in named.items():
        for (order, depth, arm), candidate in arms.items():
            yield ArmKey(comparison, order, depth, arm, budget), candidate


def at(candidate: Candidate, place: ArmKey, role: str, factor: float, seed: int) -> TwinRun:
    """The candidate with its learning rate and epochs multiplied."""
    training = candidate.training
    lr = float(f"{training.optimizer.arguments['lr'] * factor:.6g}")
    optimizer = Named.of(training.optimizer.name, **training.optimizer.arguments | {"lr": lr})
    trained = replace(training, optimizer=optimizer, epochs=training.epochs * place.budget)
    cell = RunKey(**place._asdict(), role=role, lr=lr, seed=seed)
    return TwinRun(cell, replace(candidate, training=trained))
