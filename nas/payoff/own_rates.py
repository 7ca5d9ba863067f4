"""Each arm's own best learning rate, told from the twins that tuned it."""

from optuna.study import Study

from nas.payoff.plan import Plan
from nas.payoff.queue import valid_trials
from nas.payoff.records import finished_twins, run_keys_of
from nas.payoff.rivals import RIVALS
from nas.payoff.runs import Factors
from nas.payoff.tuning import tuned_rates


def best_factors(twins: Study, plan: Plan) -> Factors:
    """The learning-rate factor that tuned best; where runs are there at one, that one."""
    lr = shared_rates(plan)
    noted, trials = twins.user_attrs, valid_trials(twins)
    cells = (cell for trial in trials for cell in run_keys_of(noted, trial))
    taken = {cell.place: cell.lr for cell in cells if cell.role == "own"}
    found = [twin for twin in finished_twins(noted, trials) if twin.comparison in lr]
    tuned = tuned_rates(found, lr, plan.tuned_by, taken)
    return {place: one.best / lr[place.comparison] for place, one in tuned.items()}


def shared_rates(plan: Plan) -> dict[str, float]:
    """The learning rate that all arms of a comparison share, of those with own rates too."""
    named = {f"top {rank}": one for rank, one in enumerate(plan.candidates, start=1)}
    named |= {"ladder": plan.base, RIVALS: plan.base}
    return {name: one.training.optimizer.arguments["lr"] for name, one in named.items()}
