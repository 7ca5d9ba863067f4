"""Running a search: the study, its trial queue, leases, workers and their coordinator."""

__all__ = [
    "allow_code",
    "attach",
    "baseline",
    "beside",
    "best_trials",
    "boosting",
    "coordinator",
    "exhaustion",
    "foreign_studies",
    "options",
    "pools",
    "progress",
    "pruners",
    "queue",
    "run",
    "session",
    "study",
    "trial",
    "trial_attributes",
    "worker",
]
