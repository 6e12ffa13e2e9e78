"""Asynchronous inference: a durable queue, what executes it, and who is told of the end."""
