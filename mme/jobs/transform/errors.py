"""What may be wrong with a transform: what was asked for, or the data of one input."""

from __future__ import annotations


class TransformRefused(ValueError):
    """A transform that cannot be: the message names the parameter and what it was."""


class BadInput(Exception):
    """One input cannot be transformed, whatever is done; the message says where and why."""
