"""What every package may use: registry, errors, paths, text, machine facts."""
