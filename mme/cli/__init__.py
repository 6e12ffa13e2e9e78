"""The `mme` command and the endpoint as a whole: wiring, printing, exit codes."""
