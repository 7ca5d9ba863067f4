"""The search space a person declares in YAML."""
