"""The statistics against published numbers, other implementations and plain enumeration."""

from itertools import product
from math import comb, inf, nan

import numpy as np
import pytest
from scipy import stats

from nas.statistics import (
    SMALLEST_R2,
    Effect,
    crossover_depth,
    degradation_difference,
    depth_surface,
    edf,
    family,
    holm,
    marginal_effects,
    onset_depth,
    paired_effect,
    restricted_mean,
    separation,
    sign_flip_p,
    speed_up,
    stability_gain,
    stage_effects,
    success_rates,
    twin_gain,
    wilson,
)
from nas.statistics.resampling import draw, every_resample

RNG = np.random.default_rng(0)
SKEWED = np.exp(RNG.normal(0, 0.6, 40))


def effect(mean: float, half: float = 1.0, n: int = 6) -> Effect:
    """An effect with a given interval of about `half` to either side."""
    return paired_effect(mean + half * np.resize([-1.0, 1.0], n), method="Student t")


# paired effects


@pytest.mark.parametrize(
    ("n", "method"),
    [(2, "Student t"), (4, "Student t"), (5, "beta bootstrap t"), (30, "beta bootstrap t")],
)
def test_the_method_follows_from_the_number_of_pairs(n: int, method: str) -> None:
    found = paired_effect(SKEWED[:n])
    assert found.method == method
    assert found.n == n
    assert found.pairs == tuple(SKEWED[:n])
    assert found.low < found.mean < found.high


def test_student_t_agrees_with_scipy() -> None:
    found = paired_effect(SKEWED[:4])
    low, high = stats.ttest_1samp(SKEWED[:4], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_every_resample_is_counted_once_with_its_probability(n: int) -> None:
    counts, weights = every_resample(n)
    assert len(counts) == comb(2 * n - 1, n) == len(np.unique(counts, axis=0))
    assert weights.sum() == pytest.approx(1)
    brute = np.array([np.bincount(draws, minlength=n) for draws in product(range(n), repeat=n)])
    for row, weight in zip(counts, weights, strict=True):
        assert weight == pytest.approx((brute == row).all(axis=1).mean())


def test_a_random_draw_agrees_with_the_exact_resamples() -> None:
    assert len(draw(7, 10_000, 0).counts) == comb(13, 7)
    exact, sampled = draw(7, 10_000, 0), draw(7, 1_700, 0)
    assert len(sampled.counts) == 1_700
    means = [found.counts @ SKEWED[:7] / 7 for found in (exact, sampled)]
    assert np.average(means[1]) == pytest.approx(np.average(means[0], weights=exact.weights), 0.02)


def test_the_draw_of_the_interval_hardly_matters() -> None:
    found = paired_effect(SKEWED[:7])
    assert found == paired_effect(SKEWED[:7])
    other = paired_effect(SKEWED[:7], seed=1)
    assert found != other
    assert (other.low, other.high) == pytest.approx((found.low, found.high), rel=0.03)


@pytest.mark.parametrize("n", [4, 6, 12, 30])
def test_units_and_direction_do_not_matter(n: int) -> None:
    one, other = paired_effect(SKEWED[:n]), paired_effect(-100 * SKEWED[:n])
    assert (-100 * one.high, -100 * one.low) == pytest.approx((other.low, other.high), rel=0.01)
    assert one.p_value == other.p_value


def test_a_wider_confidence_gives_a_wider_interval() -> None:
    narrow, wide = (paired_effect(SKEWED[:8], confidence=c) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_one_pair_has_no_interval_and_equal_pairs_are_a_point() -> None:
    assert (paired_effect([3.0]).low, paired_effect([3.0]).high) == (-inf, inf)
    assert not paired_effect([3.0]).resolved
    assert not paired_effect([0.0] * 6).resolved
    assert not paired_effect([0.07, 0.07]).resolved
    chance = paired_effect([90.0] * 6)
    assert (chance.low, chance.high, chance.resolved) == (90, 90, True)
    assert chance.p_value == 2 / 64


@pytest.mark.parametrize("values", [[], [1.0, nan], [inf, 2.0]])
def test_a_gap_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one pair|finite number"):
        paired_effect(values)


def test_sign_flip_is_exact_and_needs_six_pairs() -> None:
    assert paired_effect(SKEWED[:5]).p_value is None
    assert paired_effect(SKEWED[:6]).p_value == 2 / 64
    assert paired_effect(SKEWED[:8]).p_value == 2 / 256


@pytest.mark.parametrize("n", [3, 7, 10])
def test_sign_flip_agrees_with_brute_force(n: int) -> None:
    values = RNG.normal(0.4, 1, n).round(1)
    sums = [abs(np.dot(signs, values)) for signs in product((-1, 1), repeat=n)]
    expected = np.mean(np.array(sums) >= abs(values.sum()) - 1e-9)
    assert sign_flip_p(values) == pytest.approx(expected)


def test_sign_flip_of_many_pairs_is_sampled() -> None:
    values = RNG.normal(0.3, 1, 30)
    reference = stats.ttest_1samp(values, 0).pvalue
    assert sign_flip_p(values) == pytest.approx(reference, abs=0.02)
    assert sign_flip_p(np.ones(30)) == 1 / 10_001


# families of hypotheses


def test_holm_agrees_with_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_only_primary_hypotheses_are_claimed() -> None:
    large = paired_effect(SKEWED[:8])
    claims = family({"depth": large, "stage 1": effect(0.0)}, {"order": large})
    assert [claims[k].status for k in claims] == ["resolved", "not resolved", "exploratory"]
    assert claims["order"].p_adjusted is None
    with pytest.raises(ValueError, match="primary and exploratory"):
        family({"depth": large}, {"depth": large})


# depth


def test_difference_in_differences_of_he_2015_table_2() -> None:
    plain, residual = {18: [27.94], 34: [28.54]}, {18: [27.88], 34: [25.03]}
    assert degradation_difference(plain, residual).mean == pytest.approx(3.45)
    assert twin_gain(plain, residual)[34].mean == pytest.approx(3.51)
    with pytest.raises(ValueError, match="two depths"):
        degradation_difference({18: [1.0]}, {18: [1.0]})


def test_difference_in_differences_pairs_by_seed() -> None:
    luck = RNG.normal(0, 20, 6)
    plain = {8: luck + 40, 20: luck + 41, 56: 2 * luck + 60}
    residual = {8: luck + 40, 20: luck + 40, 56: 2 * luck + 45}
    assert degradation_difference(plain, residual).pairs == pytest.approx([15] * 6)
    assert degradation_difference(plain, residual, deep=20).pairs == pytest.approx([1] * 6)


def test_onset_depth_clears_the_smallest_effect() -> None:
    gains = {8: effect(0.5), 20: effect(3.5), 32: effect(1.5), 56: effect(30)}
    found = onset_depth(gains, smallest_effect=1.0)
    assert (found.depth, found.holds_deeper) == (20, False)
    assert onset_depth(gains, smallest_effect=5.0).depth == 56
    assert onset_depth(gains, smallest_effect=5.0).holds_deeper
    assert onset_depth(gains, smallest_effect=5.0).is_deepest
    assert not found.is_deepest
    assert onset_depth(gains, smallest_effect=50.0).depth is None


def test_onset_depth_is_sure_at_all_depths_together() -> None:
    pairs = np.array([1.2, 2.0, 2.9, 1.6, 2.4, 3.3])
    alone = {56: paired_effect(pairs)}
    assert 1.0 < alone[56].low < 1.5
    several = {depth: paired_effect(pairs) for depth in (8, 20, 32, 44, 56)}
    assert onset_depth(alone, smallest_effect=1.0).depth == 56
    assert onset_depth(several, smallest_effect=1.0).depth is None


def test_crossover_depth_and_its_censoring() -> None:
    noise = RNG.normal(0, 1, (4, 6))
    plain = {8: 50 + noise[0], 20: 40 + noise[1], 32: 40.5 + noise[2], 56: 70 + noise[3]}
    found = crossover_depth(plain)
    assert found.low == found.depth == 20
    assert found.high == 32
    assert not found.censored
    assert sum(found.shares.values()) == pytest.approx(1)
    assert not found.censored_shallow
    assert not found.saturated
    residual = crossover_depth({8: 50 + noise[0], 56: 30 + noise[1]})
    assert (residual.depth, residual.censored) == (56, True)
    plain = crossover_depth({8: 30 + noise[0], 56: 50 + noise[1]})
    assert (plain.depth, plain.censored_shallow, plain.censored) == (8, True, False)


def test_depths_of_equal_error_are_told_together() -> None:
    """Training errors 0, 0 and 0.03 at 20, 32 and 56 layers: least from 20 to 32, equal."""
    deep = [0.0, 0.09, 0.0, 0.0, 0.09, 0.0]
    found = crossover_depth({20: [0.0] * 6, 32: [0.0] * 6, 56: deep})
    assert (found.depth, found.last) == (20, 32)
    assert (found.low, found.high) == (20, 56)
    assert (found.censored_shallow, found.censored, found.saturated) == (True, True, True)
    assert found.shares[20] == found.shares[32] > found.shares[56] > 0
    assert sum(found.shares.values()) == pytest.approx(1)


def test_zero_against_zero_is_saturated() -> None:
    gains = twin_gain({20: [0.0] * 6, 56: [0.0] * 6}, {20: [0.0] * 6, 56: [0.0] * 5 + [0.1]})
    assert [gains[depth].saturated for depth in (20, 56)] == [True, False]
    assert not gains[20].resolved


# stages


def test_shapley_values_of_the_measured_digits_factorial() -> None:
    """8x8 digits, 56 layers, training error by the stages with shortcuts: 35, 33 and -7 points."""
    table = np.zeros((1, 2, 2, 2))
    table[0, 0, 0, 0], table[0, 1, 0, 0], table[0, 0, 1, 0], table[0, 0, 0, 1] = 61, 24, 41, 70
    table[0, 1, 1, 0], table[0, 1, 0, 1], table[0, 0, 1, 1], table[0, 1, 1, 1] = 0.5, 50, 38, 0
    found = stage_effects(table)
    assert [round(found.shapley[i].mean) for i in range(3)] == [35, 33, -7]
    assert found.total.mean == 61
    assert found.removal[0].mean == 38
    assert found.alone[2].mean == -9
    assert found.main[0].mean == pytest.approx((61 + 41 + 70 + 38 - 24 - 0.5 - 50) / 4)


def test_stage_effects_recover_a_formula() -> None:
    on = np.indices((2, 2, 2))
    base = RNG.normal(50, 10, 6)[:, None, None, None]
    table = base - 5 * on[0] - 2 * on[1] - 3 * on[0] * on[1] + 1 * on[0] * on[1] * on[2]
    found = stage_effects(table)
    assert found.main[0].pairs == pytest.approx([5 + 3 / 2 - 1 / 4] * 6)
    assert found.interaction[0, 1].mean == pytest.approx(3 - 1 / 2)
    assert found.interaction[0, 1, 2].mean == pytest.approx(-1)
    assert found.interaction[0, 2].mean == pytest.approx(-1 / 2)
    assert sum(e.mean for e in found.shapley.values()) == pytest.approx(found.total.mean)


@pytest.mark.parametrize("stages", [1, 2, 4])
def test_any_number_of_stages(stages: int) -> None:
    table = RNG.normal(0, 1, (5,) + (2,) * stages)
    found = stage_effects(table, confidence=0.9)
    assert len(found.main) == stages
    assert len(found.interaction) == 2**stages - 1 - stages
    assert found.total.confidence == 0.9


@pytest.mark.parametrize("shape", [(6,), (6, 2, 3)])
def test_another_shape_is_no_factorial(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="factorial"):
        stage_effects(np.zeros(shape))


# steps, rates


def test_steps_to_a_threshold_respect_censoring() -> None:
    assert restricted_mean([10, None, inf, 500], horizon=100) == (10 + 3 * 100) / 4
    found = speed_up([80, 100, None, 90, 120, 85], [8, 10, 11, 9, 12, 10], horizon=315)
    assert (found.plain_never, found.residual_never, found.at_least) == (1, 0, True)
    assert found.plain_mean == pytest.approx((80 + 100 + 315 + 90 + 120 + 85) / 6)
    assert found.ratio == pytest.approx((10**4 * 8.5 * 315 / 11) ** (1 / 6))
    assert found.high is None
    assert found.saved.mean == pytest.approx(found.plain_mean - 10)


def test_wilson_agrees_with_known_values() -> None:
    assert (wilson(0, 6).low, wilson(0, 6).high) == pytest.approx((0, 0.3903), abs=1e-4)
    reference = stats.binomtest(15, 40).proportion_ci(method="wilson")
    assert (wilson(15, 40).low, wilson(15, 40).high) == pytest.approx(tuple(reference))
    with pytest.raises(ValueError, match="0 to n"):
        wilson(3, 2)


def test_success_rates_leave_inactive_rows_out() -> None:
    found = success_rates(["none", "identity", None, "none"], [False, True, True, True])
    assert (found["none"].count, found["none"].n) == (1, 2)
    assert set(found) == {"none", "identity"}


def table_of(a: int, b: int, c: int, d: int) -> tuple[list[bool], list[bool]]:
    """Paired failures: both, only plain, only residual, neither."""
    return [True] * (a + b) + [False] * (c + d), (
        [True] * a + [False] * b + [True] * c + [False] * d
    )


def test_stability_gain_agrees_with_newcombe_1998() -> None:
    found = stability_gain(*table_of(36, 12, 2, 0))
    assert (found.gain, found.low, found.high) == pytest.approx((0.2, 0.0569, 0.3404), abs=1e-4)
    assert found.p_value == pytest.approx(stats.binomtest(2, 14).pvalue)
    assert found.resolved
    assert stability_gain(*table_of(0, 5, 0, 1)).p_value is None
    assert not stability_gain(*table_of(0, 0, 0, 6)).resolved


@pytest.mark.parametrize(("often", "seldom"), [(0.1, 0.0), (0.3, 0.02), (0.5, 0.1), (0.9, 0.1)])
def test_stability_gain_covers_by_enumeration(often: float, seldom: float) -> None:
    n, covered = 6, 0.0
    for a, b, c in product(range(n + 1), repeat=3):
        if a + b + c <= n:
            cells = (a, b, c, n - a - b - c)
            p = (often * seldom, often * (1 - seldom), (1 - often) * seldom)
            found = stability_gain(*table_of(*cells))
            if found.low - 1e-9 <= often - seldom <= found.high + 1e-9:
                covered += stats.multinomial.pmf(cells, n, (*p, 1 - sum(p)))
    assert covered >= 0.92


# what a search shows


def test_marginal_effect_agrees_with_welch_on_active_rows() -> None:
    identity, plain = [4.0, 5.0, 4.2, 4.6, 5.1], [9.0, 8.0, 7.5, 8.8, 9.3, 8.1]
    kinds = [*["identity"] * 5, None, *["none"] * 6]
    (found,) = marginal_effects({"shortcut": kinds}, [*identity, 100.0, *plain])
    reference = stats.ttest_ind(identity, plain, equal_var=False)
    ends = reference.confidence_interval(0.95)
    assert (found.option, found.n, found.n_others) == ("identity", 5, 6)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
    assert found.p_value == pytest.approx(reference.pvalue)


def test_marginal_effects_are_corrected_together() -> None:
    table = {"a": ["x", "y", "z"] * 6, "b": ["u", "v"] * 9, "c": ["only"] * 18}
    found = marginal_effects(table, RNG.normal(0, 1, 18).tolist())
    assert [(row.choice, row.option) for row in found] == [
        ("a", "x"), ("a", "y"), ("a", "z"), ("b", "u"),
    ]  # fmt: skip
    assert [row.p_adjusted for row in found] == holm([row.p_value for row in found])


@pytest.mark.parametrize("few", [2, 4])
def test_no_effect_is_shown_with_fewer_than_five_rows_on_a_side(few: int) -> None:
    kinds = ["none"] * few + ["identity"] * 20
    assert marginal_effects({"shortcut": kinds}, RNG.normal(0, 1, few + 20).tolist()) == []
    enough = kinds + ["none"] * (5 - few)
    assert len(marginal_effects({"shortcut": enough}, RNG.normal(0, 1, 25).tolist())) == 1


def test_edf() -> None:
    found = edf([3.0, 1.0, 2.0, 2.0])
    assert found.errors.tolist() == [1, 2, 2, 3]
    assert found.shares.tolist() == [0.25, 0.5, 0.75, 1]


def test_separation_agrees_with_kolmogorov_smirnov() -> None:
    first, second = RNG.normal(0, 1, 40).round(1), RNG.normal(0.7, 1, 30).round(1)
    found = separation(first.tolist(), second.tolist())
    reference = stats.ks_2samp(first, second)
    assert found.statistic == pytest.approx(reference.statistic)
    assert found.p_value == pytest.approx(reference.pvalue, abs=0.03)


def test_separation_by_complexity_alone_goes_away_when_it_is_normalised() -> None:
    small, large = RNG.uniform(0, 1, (2, 150))
    small = small**2
    errors = [(10 - 5 * c + RNG.normal(0, 0.3, len(c))).tolist() for c in (small, large)]
    assert separation(*errors, permutations=300).p_value < 0.01
    complexity = (small.tolist(), large.tolist())
    normal = separation(*errors, complexity=complexity, permutations=300, bins=8)
    assert normal.p_value > 0.05
    worse = [error + 2 for error in errors[0]]
    assert separation(worse, errors[1], complexity=complexity, permutations=300).p_value < 0.01


def test_sizes_alone_tell_two_sets_apart_in_at_most_5_percent_of_studies() -> None:
    """Two groups of 30 whose errors depend on size alone, sizes one sd apart."""
    rng, found = np.random.default_rng(11), []
    for _ in range(400):
        sizes = rng.normal(0, 1, 30), rng.normal(1, 1, 30)
        errors = [(10 - 3 * size + rng.normal(0, 1, 30)).tolist() for size in sizes]
        pair = (sizes[0].tolist(), sizes[1].tolist())
        found.append(separation(*errors, complexity=pair, permutations=100).p_value <= 0.05)
    assert np.mean(found) <= 0.05


# surrogate


def ladder_rows(noise: float) -> tuple[list[int], list[str], list[float], list[str]]:
    """Plain networks lose 10 points for each step of depth, and one order is 3 points worse."""
    rng = np.random.default_rng(0)
    depths, kinds = rng.choice([8, 20, 32], 90), rng.choice(["none", "identity"], 90)
    orders = rng.choice(["pre", "post"], 90)
    errors = 40 + (kinds == "none") * (depths - 8) / 1.2 + 3 * (orders == "post")
    errors = errors + rng.normal(0, noise, 90)
    return depths.tolist(), kinds.tolist(), errors.tolist(), orders.tolist()


def test_the_surface_shows_what_was_planted() -> None:
    depths, kinds, errors, orders = ladder_rows(noise=1.0)
    found = depth_surface(depths, kinds, errors, others={"order": orders})
    assert found.r2 is not None
    assert found.r2 > 0.9
    assert found.errors is not None
    assert (found.depths, found.shortcuts) == ((8, 20, 32), ("identity", "none"))
    assert found.errors[1] - found.errors[0] == pytest.approx([0, 10, 20], abs=1.5)
    assert found.counts.sum() == found.n == 90


def test_no_surface_where_the_surrogate_is_poor_or_rows_are_few() -> None:
    depths, kinds, errors, _ = ladder_rows(noise=60.0)
    poor = depth_surface(depths, kinds, errors)
    assert poor.errors is None
    assert poor.r2 is not None
    assert poor.r2 < SMALLEST_R2
    assert depth_surface(depths[:12], kinds[:12], errors[:12]).r2 is None


def test_the_surface_is_blank_where_nothing_was_tried() -> None:
    depths, kinds, errors, _ = ladder_rows(noise=1.0)
    kept = [i for i in range(90) if (depths[i], kinds[i]) != (32, "identity")]
    columns = ([column[i] for i in kept] for column in (depths, kinds, errors))
    found = depth_surface(*columns)
    assert found.errors is not None
    assert np.isnan(found.errors[0, 2])
    assert np.isfinite(found.errors).sum() == 5
