"""The statistics of "where residual connections pay off": plain numbers in, effects with intervals
out.
"""

from nas.statistics.agreement import Agreement, agreement
from nas.statistics.answers import Answer, Word, answers, more_pairs, p_words, where
from nas.statistics.blocks import BlockEffects, Estimate, block_effects, enough_masks
from nas.statistics.budgets import (
    BudgetVerdict,
    budget_verdict,
    has_levelled_off,
    order_verdict,
)
from nas.statistics.depth import (
    CrossoverDepth,
    OnsetDepth,
    crossover_depth,
    degradation_difference,
    onset_depth,
    twin_gain,
)
from nas.statistics.equal_loss import FEWEST_EPOCHS, EqualLoss, Pair, equal_loss, meeting
from nas.statistics.family import Claim, family, holm
from nas.statistics.gain_model import SMALLEST_MAP_R2, GainModel, gain_model
from nas.statistics.hurdle import Hurdle, hurdle
from nas.statistics.observed import (
    Distribution,
    MarginalEffect,
    Separation,
    edf,
    marginal_effects,
    separation,
)
from nas.statistics.paired import Effect, decision_p, paired_effect, twin_effect
from nas.statistics.permutation import permutation_p, sign_flip_p
from nas.statistics.power import fewest_pairs, pairs_needed, resolvable_effect, smallest_p
from nas.statistics.rates import (
    Rate,
    StabilityGain,
    newcombe,
    stability_gain,
    success_rates,
    wilson,
)
from nas.statistics.resampling import Array
from nas.statistics.sequential import (
    EVERY_LOOK,
    confidence_sequence,
    sequential_answers,
    stopping_pairs,
)
from nas.statistics.speed import SpeedUp, restricted_mean, speed_up
from nas.statistics.stages import StageEffects, single_effects, stage_effects
from nas.statistics.surface import SMALLEST_R2, Surface, depth_surface
from nas.statistics.usable_rates import DISTANCE, FEWEST_RATES, UsableRates, usable_rates

__all__ = [
    "DISTANCE",
    "FEWEST_RATES",
    "UsableRates",
    "usable_rates",
    "EVERY_LOOK",
    "FEWEST_EPOCHS",
    "SMALLEST_MAP_R2",
    "SMALLEST_R2",
    "Agreement",
    "Answer",
    "Array",
    "BlockEffects",
    "BudgetVerdict",
    "Claim",
    "CrossoverDepth",
    "Distribution",
    "Effect",
    "EqualLoss",
    "Estimate",
    "GainModel",
    "Hurdle",
    "MarginalEffect",
    "OnsetDepth",
    "Pair",
    "Rate",
    "Separation",
    "SpeedUp",
    "StabilityGain",
    "StageEffects",
    "Surface",
    "Word",
    "agreement",
    "answers",
    "block_effects",
    "budget_verdict",
    "confidence_sequence",
    "crossover_depth",
    "decision_p",
    "degradation_difference",
    "depth_surface",
    "edf",
    "enough_masks",
    "equal_loss",
    "family",
    "fewest_pairs",
    "gain_model",
    "has_levelled_off",
    "holm",
    "hurdle",
    "marginal_effects",
    "meeting",
    "more_pairs",
    "newcombe",
    "onset_depth",
    "order_verdict",
    "paired_effect",
    "p_words",
    "pairs_needed",
    "permutation_p",
    "resolvable_effect",
    "restricted_mean",
    "separation",
    "sequential_answers",
    "sign_flip_p",
    "single_effects",
    "smallest_p",
    "speed_up",
    "stability_gain",
    "stage_effects",
    "stopping_pairs",
    "success_rates",
    "twin_effect",
    "twin_gain",
    "where",
    "wilson",
]
