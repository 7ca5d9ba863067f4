"""Other programs."""

import subprocess


def output_of(*command: str) -> str:
    """What a command prints; nothing where it fails or is not there."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return run.stdout
