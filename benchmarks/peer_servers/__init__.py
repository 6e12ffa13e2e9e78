"""Other model servers, each in an environment of its own, serving the same artifacts."""
