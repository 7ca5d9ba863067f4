"""The plan: what is compared and over how many pairs, written down before the first twin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

from nas.common.errors import StudyError
from nas.common.registry import base_name
from nas.payoff.block_masks import random_masks
from nas.payoff.rivals import rival_arms
from nas.payoff.variants import (
    HAVE_PLAIN,
    MOST_STAGES,
    NAMED_ARMS,
    ON_DEMAND,
    Arms,
    named_arms,
    stage_arms,
    twins,
    wanted,
)
from nas.space.schema import PayoffSection, current
from nas.statistics import enough_masks, resolvable_effect
from nas.training.candidate import Candidate

if TYPE_CHECKING:
    from optuna.study import Study

#: a primary comparison: activation order, learning rate, reference, arm
PrimaryKey = tuple[str, str, str, str]

#: the effect, in standard deviations of a pair, that the number of pairs left out is chosen for
TARGET = 2.0
#: added to the seed of the search: its trials, and those of its random baseline, lie below
FIRST_SEED = 2_000_000
#: the rules by which twins are laid out; 1 are those of studies that kept no plan
RULES = 2
#: what stood in `payoff` when it was left out, under the first rules
FORMER = {"top": 3, "seeds": 3, "lr_factors": [0.3, 1.0], "tuning_seeds": 1}
#: attributes of the study of the twins: the plan, the plan with all that was asked for later, and
#: the candidates of both
PLAN, BEYOND, CANDIDATE = "plan", "plan_beyond", "plan_candidate_{}"


@dataclass(frozen=True)
class Plan:
    """What is trained: every key of the section has its value. candidates: the best ones of the
    search, the best first.
    """

    settings: PayoffSection
    candidates: tuple[Candidate, ...]
    rules: int = RULES

    @property
    def base(self) -> Candidate:
        """The candidate of the ladder."""
        return self.candidates[0]

    @property
    def depths(self) -> list[int]:
        """The ladder: blocks in every stage, from shallow to deep."""
        return list(self.settings.depths or [])

    @property
    def ends(self) -> list[int]:
        """The shallowest and the deepest of them."""
        return sorted({self.depths[0], self.depths[-1]})

    @property
    def seeds(self) -> int:
        """The number of pairs."""
        return self.settings.seeds or 0

    @property
    def is_sequential(self) -> bool:
        """Whether pairs are added until the primary comparisons are decided."""
        return self.settings.until is not None

    @property
    def most_pairs(self) -> int:
        """The pairs of a primary comparison, at most."""
        return self.settings.max_seeds if self.is_sequential else self.seeds

    @property
    def other_budgets(self) -> list[int]:
        """Multiples of the epochs besides the first budget."""
        return [budget for budget in self.settings.budgets if budget != 1]

    @property
    def has_own_rates(self) -> bool:
        """Whether arms are compared at their own best learning rates too."""
        return len(self.settings.lr_factors) > 1

    @property
    def first_seed(self) -> int:
        """The seed of the first pair, less that of the search."""
        return FIRST_SEED if self.rules > 1 else 0

    @property
    def tuned_by(self) -> str:
        """The outcome by which own learning rates are chosen."""
        return "train_error" if self.rules > 1 else "val_error"

    @property
    def tunes_every_budget(self) -> bool:
        """Whether own learning rates are chosen at every budget."""
        return self.has_own_rates and self.rules > 1

    @property
    def has_as_found(self) -> bool:
        """Whether the twins of a candidate contain it as it was found."""
        return self.rules > 1

    @cached_property
    def arms(self) -> list[str]:
        """The arms of the ladder."""
        known = twins(self.base, self.settings.vary, named=named_arms(self.settings) or ())
        return [arm for arm in known if wanted(self.settings, arm)]

    @property
    def reference(self) -> str:
        """The arm against which the others stand."""
        plain = self.settings.vary in HAVE_PLAIN and "none" in self.arms
        return "none" if plain else self.arms[0]

    @property
    def roles(self) -> list[str]:
        """At which learning rates the primary comparisons stand."""
        return ["shared", "own"] if self.has_own_rates else ["shared"]

    @property
    def comparisons(self) -> list[PrimaryKey]:
        """The primary comparisons."""
        if not self.depths:
            return []
        return [
            (order, role, self.reference, arm)
            for order in self.settings.activation_orders or []
            for role in self.roles
            for arm in self.arms
            if arm != self.reference
        ]

    @property
    def estimand(self) -> str:
        """What a primary comparison is about."""
        arms = f"{self.reference} against the other arms"
        if len(self.ends) < 2:
            return f"gain in training error, {arms}, at the one depth, at one budget"
        return (
            f"difference in differences of training error, {arms}, between the shallowest and the "
            "deepest network of the ladder, at one budget"
        )

    def primary(self) -> dict[str, Any]:
        """The primary comparisons as they are kept."""
        return {
            "estimand": self.estimand,
            "depths": self.ends,
            "orders": self.settings.activation_orders,
            "roles": self.roles,
            "correction": "Holm over orders, learning rates and arms",
            "comparisons": [list(one) for one in self.comparisons],
            "pairs": self.most_pairs,
            "tuned_by": self.tuned_by,
            "rules": self.rules,
            **({"until": self.settings.until} if self.is_sequential else {}),
        }

    @property
    def has_stages(self) -> bool:
        """Whether stages with and without shortcuts are compared."""
        return self.settings.stages and self.settings.vary == "shortcut"

    @property
    def num_blocks(self) -> int:
        """The blocks of the deepest network of the ladder."""
        return self.depths[-1] * len(self.base.architecture.stages)

    def block_comparison(self) -> dict[str, int] | None:
        """The masks over blocks as they are kept."""
        masks, orders = self.settings.block_masks, self.settings.block_orders
        if not masks and not orders:
            return None
        number = len(random_masks(self.num_blocks, masks))
        return {"blocks": self.num_blocks, "masks": number, "orders": orders}

    def stage_comparison(self) -> dict[str, Any] | None:
        """The factorial over stages as it is kept."""
        if not self.has_stages:
            return None
        arms = stage_arms(self.base, self.depths[-1])
        order, depth, _ = next(iter(arms))
        names = [arm for _, _, arm in arms]
        return {"order": order, "depth": depth, "arms": names, "pairs": self.seeds}

    def rival_comparison(self) -> dict[str, Any] | None:
        """The rivals of shortcuts as they are kept."""
        names = [arm for _, _, arm in self.rival_arms if "," in arm]
        return {"arms": names, "pairs": self.seeds} if names else None

    @cached_property
    def rival_arms(self) -> Arms:
        """The rivals of shortcuts, with the networks that they stand beside."""
        return rival_arms(self.base, self.settings, self.depths[-1]) if self.depths else {}


def make_plan(asked: PayoffSection, candidates: Sequence[Candidate], rules: int = RULES) -> Plan:
    """The plan of a section, with what it leaves out decided."""
    base = candidates[0]
    orders = asked.activation_orders or [base.architecture.activation_order]
    if asked.vary == "activation_order":
        orders = orders[:1]
    decided: dict[str, Any] = {
        "depths": sorted(asked.depths or default_depths(base)),
        "activation_orders": orders,
        "arms": named_arms(asked) or default_arms(base, asked.vary) or asked.arms,
    }
    plan = Plan(asked.model_copy(update=decided), tuple(candidates), rules)
    seeds = asked.seeds or default_pairs(len(plan.comparisons))
    plan = Plan(plan.settings.model_copy(update={"seeds": seeds}), tuple(candidates), rules)
    check_masks(plan)
    return plan


def check_masks(plan: Plan) -> None:
    """StudyError for fewer masks over blocks than can tell anything."""
    asked, fewest = plan.settings.block_masks, enough_masks(plan.num_blocks, plan.seeds)
    if asked and len(random_masks(plan.num_blocks, asked)) < fewest:
        known = f"{plan.num_blocks} blocks and {plan.seeds} seeds"
        raise StudyError(
            f"block_masks: {asked} masks are too few for {known}: write {fewest} at least, have a "
            "deeper network where there are no more masks, or leave block_masks out."
        )


def default_arms(base: Candidate, vary: str) -> list[str] | None:
    """The arms that are compared where some could be named and none are."""
    if vary not in NAMED_ARMS:
        return None
    own = {
        base_name(name)
        for stage in base.architecture.stages
        for name in (stage.transition, stage.join.name, stage.block.name)
    } | {base.architecture.initialisation}
    return [arm for arm in twins(base, vary) if arm not in ON_DEMAND.get(vary, ()) or arm in own]


def default_depths(candidate: Candidate) -> list[int]:
    """One, three, five and nine blocks in every stage, up to twice the candidate's own depth."""
    deepest = max(stage.depth for stage in candidate.architecture.stages)
    return [depth for depth in (1, 3, 5, 9, 18) if depth <= max(3, 2 * deepest)]


def default_pairs(comparisons: int) -> int:
    """The fewest pairs that resolve an effect of `TARGET` standard deviations of a pair with 80%
    probability, as one of so many comparisons: 5 of one, 6 of two, 7 of four.
    """
    number = max(1, comparisons)
    return next(pairs for pairs in count(2) if resolvable_effect(pairs, number) <= TARGET)


def keep_plan(study: "Study", plan: Plan) -> None:
    """Write the plan to the study of the twins."""
    fixed = {
        "vary": plan.settings.vary,
        "smallest_effect": plan.settings.smallest_effect,
        "primary": plan.primary(),
        "stage_family": stage_family(len(plan.base.architecture.stages)),
        "stages": plan.stage_comparison(),
        "blocks": plan.block_comparison(),
        "rivals": plan.rival_comparison(),
    }
    study.set_user_attr("payoff", fixed)
    keep(study, PLAN, plan)


def keep(study: "Study", key: str, plan: Plan) -> None:
    """Write a plan to an attribute, and its candidates to those of their own."""
    for rank, candidate in enumerate(plan.candidates):
        study.set_user_attr(CANDIDATE.format(rank), candidate.to_json())
    kept = {"rules": plan.rules, "candidates": len(plan.candidates)}
    study.set_user_attr(key, kept | {"settings": plan.settings.model_dump(mode="json")})


def kept_plan(attrs: Mapping[str, Any], key: str = PLAN) -> Plan | None:
    """The plan written to a study, None where there is none; StudyError where it is damaged."""
    if key not in attrs:
        return None
    try:
        kept = attrs[key]
        texts = [attrs[CANDIDATE.format(rank)] for rank in range(int(kept["candidates"]))]
        candidates = [Candidate.from_json(text, "the plan of the twins") for text in texts]
        settings = current(PayoffSection).model_validate(kept["settings"])
        return Plan(settings, tuple(candidates), int(kept["rules"]))
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(f"the plan of the twins cannot be read: {error}") from error


def stage_family(num_stages: int) -> str:
    """What is tested of the stages, told before the first twin is trained."""
    every = num_stages <= MOST_STAGES
    what = "main effect of" if every else "cost of removing"
    return f"{what} each stage's shortcuts on training error, Holm over stages"
