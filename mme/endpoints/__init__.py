"""Endpoints by name, as the control plane keeps them, and what an invocation of one goes to."""
