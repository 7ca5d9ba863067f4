"""The method section, written from what was done."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from nas.data.catalog import FROM_CODE, FROM_PATH, TABLE, Dataset, split_sizes
from nas.data.facts import DATASETS
from nas.payoff.after_training import split_of
from nas.payoff.analysis import Payoff
from nas.payoff.records import OUTCOMES as OUTCOMES_OF_TWINS
from nas.payoff.records import Twin, whole_epochs
from nas.report.counts import ended
from nas.report.data import StudyData
from nas.report.depth_sweep import Twins
from nas.report.document import Items, Section
from nas.report.incumbents import training_seconds
from nas.report.scales import scale
from nas.report.style import counted
from nas.report.trial_rows import Row
from nas.search.pruners.asha import Asha
from nas.search.pruners.registry import pruner_of
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate, Training


def method_section(data: StudyData) -> Section:
    """Data, search, training, twins, statistics, cost and versions."""
    runs = [*data.rows, *data.twins.values()]
    candidates = list({row.candidate: None for row in runs if row.candidate is not None})
    items = [
        ("Data", data_sets(candidates, reads_test=reads_test(data))),
        ("Search", search(data)),
        ("Training", training(candidates, runs)),
    ]
    if data.payoff is not None:
        items += [
            ("Twins", twins(data)),
            ("Statistics", _statistics(Twins(data.payoff, data.twins))),
        ]
    items += [
        ("Measures", measures(candidates, reads_test=reads_test(data))),
        ("Cost", _cost(data)),
        ("Versions", versions(runs)),
    ]
    return Section(
        "method", "Method, as it was carried out", [Items([item for item in items if item[1]])]
    )


MEASURES = (
    "Training error: on up to 4,096 un-augmented training pictures in evaluation mode, after the "
    "statistics of batch norm were taken anew over up to 1,024. Validation error: at the end of "
    "the last epoch. Errors are shares of wrongly classified pictures in points (per cent). A run "
    "that diverged counts with the error it had."
)
NEVER_READ = "Neither search nor twins read the test split."
READ_ONCE = (
    "The search does not read the test split; each finished twin was measured on it once, which "
    "nothing was chosen by."
)


#: what is said instead of rows, and of a target that is a number
OF_NUMBERS = (
    "Of a target that is a number, an error is the share of its variance that is not explained, "
    "1 - R², in points, and losses are mean squares of the standardised target. In comparisons of "
    "twins it is 100 points at most, those of guessing the mean, also where outputs are no numbers."
)


def measures(candidates: Iterable[Candidate], *, reads_test: bool = False) -> str:
    """What is measured of runs on pictures or on rows of a table."""
    known, text = list(candidates), f"{MEASURES} {READ_ONCE if reads_test else NEVER_READ}"
    if not known or any(one.dataset.name != TABLE for one in known):
        return text
    of_rows = text.replace("un-augmented training pictures", "training rows")
    numbers = any(one.architecture.predicts_number for one in known)
    return of_rows.replace("pictures", "rows") + f" {OF_NUMBERS}" * numbers


def reads_test(data: StudyData) -> bool:
    """Whether finished twins were measured on the test split."""
    twins = data.payoff.twins if data.payoff else []
    return any(split_of(twin.finished) == "test" for twin in twins)


def data_sets(candidates: Iterable[Candidate], *, reads_test: bool = False) -> str:
    """Data sets with the sizes of their splits, as far as they are known without the pictures."""
    datasets = dict.fromkeys(candidate.dataset for candidate in candidates)
    return " ".join(f"{'; '.join(_data_set(one, reads_test))}." for one in datasets)


def _data_set(one: Dataset, reads_test: bool) -> Iterator[str]:
    """What is known of one data set, in parts of a sentence."""
    if one.name in FROM_CODE:
        source = one.class_path or "pictures handed over by a Python program"
        yield f"{source}, split and augmented by their own code"
        return
    if one.name == TABLE:
        yield f"table {one.source or one.path}: its features fitted on the training rows alone"
        groups = f"rows of equal {one.groups} in one split" if one.groups else "a stratified split"
        yield f"a fifth of the rows kept for the test, {groups}, seed {one.split_seed}"
        return
    if one.name in DATASETS:
        known = DATASETS[one.name]
        train, validation = split_sizes(one, known.num_train)
        yield (
            f"{one.name}: {train:,} training and {validation:,} validation pictures of the "
            f"{known.num_train:,} published for training"
        )
        state = "is read once by each finished twin" if reads_test else "stays untouched"
        yield f"the test split of {known.num_test:,} {state}"
    else:
        yield one.name
    if one.image_size:
        yield f"pictures resized to {one.image_size} × {one.image_size}"
    if one.channels == 1:
        yield "read as grey"
    if one.unreadable == "skip":
        yield "files that cannot be read left out"
    yield f"augmented by {', '.join(map(str, one.augment))}" if one.augment else "not augmented"
    own = "the data set's own validation split, else a " if one.name in FROM_PATH else ""
    yield f"{own}stratified split, seed {one.split_seed}"


def search(data: StudyData) -> str:
    """Sampler, pruner, objectives, and how the trials ended."""
    goals = ", ".join(
        f"{scale(name).title.partition(' (')[0]} ({'maximised' if up else 'minimised'})"
        for name, up in zip(data.objectives, data.maximise, strict=True)
    )
    how = f"{ended(data.rows)}." if data.rows else "No trials yet."
    if data.space is None:
        return f"{how} Objectives: {goals}."
    space = data.space
    return (
        f"Optuna, sampler {space.sampler}, pruner {space.pruner}, seed {space.search.seed}. "
        f"Objectives: {goals}. {how}{_asha(space)}{beside(data)}"
    )


def _asha(space: SearchSpace) -> str:
    """At which rungs candidates were paused, and which of them were promoted."""
    pruner = pruner_of(space)
    if not isinstance(pruner, Asha) or not pruner.rungs:
        return ""
    shares = ", ".join(f"{100 * pruner.share(r):.0f}% after epoch {r}" for r in pruner.rungs)
    return (
        " Candidates were paused at rungs, and those with the least training loss promoted, to go "
        f"on from where they were: {shares}. A control group of {100 * pruner.control:g}%, drawn "
        "beforehand, was promoted in any case."
    )


def beside(data: StudyData) -> str:
    """How random search beside it ended."""
    if not data.baseline:
        return ""
    return (
        f" Beside it random search of the same space with the same pruner and another seed: "
        f"{ended(data.baseline)}."
    )


def training(candidates: Sequence[Candidate], rows: Iterable[Row]) -> str:
    """Every setting of training with the values it had, and the seeds."""
    values: dict[str, dict[str, None]] = {}
    for one in candidates:
        for key, value in settings_of(one.training).items():
            values.setdefault(key, {})[value] = None
    told = "; ".join(f"{key} {_listed(list(found))}" for key, found in values.items())
    seeds = sorted(
        {
            row.trial.user_attrs["seed"]
            for row in rows
            if isinstance(row.trial.user_attrs.get("seed"), int)
        }
    )
    if seeds:
        word = "seed" if len(seeds) == 1 else "seeds"
        told += f"; {word} {_listed([str(seed) for seed in seeds])}"
    return f"{told}." if told else ""


def settings_of(training: Training) -> dict[str, str]:
    """The settings of a training that differ from nothing."""
    found = {
        "epochs": str(training.epochs),
        "batch size": str(training.batch_size),
        "optimiser": str(training.optimizer),
        "schedule of the learning rate": str(training.schedule),
    }
    for key in ("warmup", "label_smoothing", "gradient_clip", "fade_shortcuts"):
        if getattr(training, key):
            found[key.replace("_", " ")] = f"{getattr(training, key):g}"
    if training.class_weights != "none":
        found["class weights"] = training.class_weights
    if training.weight_decay_of != "all":
        found["weight decay"] = "of convolutions and linear layers alone"
    if training.weight_average:
        decay = f"{training.weight_average:g}"
        found["moving average of the weights, which is what is measured and exported"] = decay
    if training.mixup:
        found["mixup, alpha"] = f"{training.mixup:g}"
    if training.precision != "fp32":
        found["products of a training step in"] = training.precision
    return found


def _listed(words: list[str], most: int = 12) -> str:
    """`a, b and c`, shortened where there are many."""
    if len(words) > most:
        return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} others"
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def twins(data: StudyData) -> str:
    """What was compared, over which seeds, and what is missing."""
    payoff = data.payoff
    assert payoff is not None
    if not payoff.twins:
        return "Planned, but none has finished yet."
    done = {twin.trial for twin in payoff.twins}
    ladder = [twin for twin in payoff.twins if twin.comparison == "ladder"]
    depths = sorted({twin.layers for twin in ladder if twin.arm != "none, wider"})
    pairs = {twin.seed for twin in payoff.twins if twin.role != "tune"}
    text = (
        f"{counted(len(done), 'run')} varying the {payoff.vary.replace('_', ' ')}, each with its "
        f"full budget and never pruned; {counted(len(pairs), 'pair')}, {_seeds_of(payoff)}; "
    )
    if depths:
        text += f"ladder of {_listed([str(depth) for depth in depths])} layers; "
    text += f"budgets {_listed(budgets(payoff))}. {_same_start(payoff)}{own_rates(payoff)}"
    missing = [f"{payoff.waiting} in training or queued"] * bool(payoff.waiting)
    missing += [f"{payoff.failures} failed and missing from the pairs"] * bool(payoff.failures)
    return f"{text} Missing: {_listed(missing)}." if missing else text


def _seeds_of(payoff: Payoff) -> str:
    """Whether the twins have seeds of their own."""
    if payoff.primary.get("rules", 1) > 1:
        return "on seeds that neither the search nor the tuning has"
    return "the first on the seed of the search"


def own_rates(payoff: Payoff) -> str:
    """How own best learning rates were chosen."""
    grids = [one for one in payoff.tuned if one.comparison == "ladder"]
    if not grids:
        return ""
    outcome = OUTCOMES_OF_TWINS[payoff.primary.get("tuned_by", "val_error")][0]
    tried = _listed([f"{rate:.3g}" for rate in sorted({lr for one in grids for lr in one.errors})])
    seeds = counted(max(one.seeds for one in grids), "run") + shorter(payoff)
    edges = sum(one.edge is not None for one in grids)
    return (
        f" Own best rates: of {tried} the one with the least {outcome}, {seeds} each, on seeds "
        f"that are compared nowhere; in {edges} of {len(grids)} cases it lies at an edge of these."
    )


def shorter(payoff: Payoff) -> str:
    """Of how many epochs the runs were that chose learning rates, if of fewer than the others."""
    first = [twin for twin in payoff.twins if twin.budget == 1 and twin.comparison == "ladder"]
    tuning = whole_epochs(twin for twin in first if twin.role == "tune")
    others = whole_epochs(twin for twin in first if twin.role != "tune")
    is_shorter = tuning and others and tuning[-1] < others[-1]
    return f" of {counted(tuning[-1], 'epoch')}" if is_shorter else ""


def budgets(payoff: Payoff) -> list[str]:
    """Epochs of every budget."""
    groups: dict[int, list[Twin]] = {}
    for twin in payoff.twins:
        if twin.role != "tune":
            groups.setdefault(twin.budget, []).append(twin)
    return [
        f"{counted(number, 'epoch')} ({budget} ×)"
        for budget, group in sorted(groups.items())
        for number in whole_epochs(group)
    ]


def _same_start(payoff: Payoff) -> str:
    """Whether twins started from the same weights."""
    arms = [one for one in payoff.ladder if "wider" not in one.reference]
    if arms and all(one.same_start for one in arms):
        return "Twins of the ladder had the same initial weights outside shortcuts, by their hash."
    return "Some twins did not start from the same weights." if arms else ""


#: how far the intervals hold, by experiments/coverage
HOW_FAR = (
    "Such intervals cover the truth in 91 to 96% of samples of real pairs of networks on digits, "
    "in 82 to 89% if pairs are as skewed as a lognormal, and seldom where networks fail rarely and "
    "no pair shows it: so every gain stands beside how often each arm trains "
    "(experiments/coverage)."
)


def _statistics(twins: Twins) -> str:
    """How intervals and p values came about."""
    fixed = twins.payoff.primary
    depths = fixed.get("depths", [])
    shallow, deep = (depths[0], depths[-1]) if depths else ("?", "?")
    return (
        "Differences are taken pair by pair, between runs of the same seed; 95% intervals of "
        f"their mean by {twins.methods}. {HOW_FAR} Primary, written to the study before the first "
        "twin ran: "
        f"{fixed.get('estimand', 'not recorded')}; {shallow} and {deep} blocks in every stage; "
        f"{fixed.get('correction', 'Holm')}. A primary comparison pays or costs where its interval "
        "lies beyond the smallest effect of interest, "
        f"{twins.payoff.smallest_effect:g} points, makes no difference where it lies within, and "
        "is undecided else, or where the corrected p is above 0.05. The p that is corrected is "
        "that of the paired t-test against the nearer end of the smallest effect; to claim a "
        "difference, it is not below that against zero, nor below what an exact test gives (the "
        "unpaired permutation of both arms or the sign-flip test, whichever has the smaller p). "
        f"Everything else is exploratory. {_planned_pairs(twins.payoff)}"
    )


def _planned_pairs(payoff: Payoff) -> str:
    """How many pairs were planned, and that others do not count."""
    fixed = payoff.primary
    if fixed.get("rules", 1) < 2:
        return "The number of pairs was not written down beforehand."
    if payoff.is_sequential:
        return (
            f"The plan: pairs added until each primary comparison is decided, {fixed['pairs']} at "
            "most. Its interval and its p hold at every look: they are those of the t-test as an "
            "e-process, for normal pairs (Ville's inequality; a normal prior of variance one on "
            "the effect in standard deviations of a pair)."
        )
    text = (
        f"The plan: {counted(fixed['pairs'], 'pair')}; a primary comparison is decided when all "
        "its planned runs have ended"
    )
    if not payoff.added:
        return f"{text}."
    runs = counted(len({twin.trial for twin in payoff.added}), "run")
    return (
        f"{text}, and by these alone: {runs} asked for after a twin had finished are exploratory."
    )


def _cost(data: StudyData) -> str:
    """Training seconds of the search and of the twins."""
    searched = sum(map(training_seconds, data.rows))
    random = sum(map(training_seconds, data.baseline))
    paired = sum(map(training_seconds, data.twins.values()))
    cut = sum(training_seconds(row) for row in data.rows if row.outcome == "pruned")
    text = (
        f"Training time, summed over workers: {searched:,.0f} s for the search (of these "
        f"{cut:,.0f} s in pruned trials)"
    )
    text += f", {random:,.0f} s for random search" if data.baseline else ""
    return f"{text} and {paired:,.0f} s for the twins." if data.twins else f"{text}."


def versions(rows: Iterable[Row]) -> str:
    """Code, libraries and machine, with the number of runs where there were several."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        provenance = row.trial.user_attrs.get("provenance")
        for key, value in provenance.items() if isinstance(provenance, dict) else ():
            found.setdefault(str(key), Counter())[str(value)] += 1
    if not found:
        return "Not recorded."
    told = [f"{key.replace('_', ' ')} {several(counts)}" for key, counts in found.items()]
    plus = (
        " A plus after the commit: files differed from it."
        if any("+" in v for v in found.get("git_commit", ()))
        else ""
    )
    return f"{', '.join(told)}.{plus}"


def several(counts: Counter[str]) -> str:
    """A value, or all values with the number of runs that had each."""
    if len(counts) == 1:
        return next(iter(counts))
    return " / ".join(f"{value} ({counted(count, 'run')})" for value, count in counts.most_common())
