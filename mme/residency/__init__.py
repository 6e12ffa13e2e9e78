"""Which models are known, coming, in use, at which version; where they come from in each mode."""
