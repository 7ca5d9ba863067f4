"""Running a search: the study, its trial queue, leases, workers and their coordinator."""
