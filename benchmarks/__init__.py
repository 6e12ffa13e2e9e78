"""Measurements of the endpoint, against stock Multi Model Server in the same run."""
