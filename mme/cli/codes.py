"""What the command's exit codes mean."""

EXIT_OK = 0
EXIT_FAILED = 1
"""It could not be done, or not to its end."""
EXIT_USAGE = 2
"""An option or a setting cannot be used."""
