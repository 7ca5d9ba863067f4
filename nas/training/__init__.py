"""Training one candidate: settings, the Lightning module, checkpoints, what is measured."""
