"""Evaluation: labelled sets, measures on them, and asking a loaded model for its answers.

`sets` reads, `measures` are pure functions of rankings and scores, `asking` puts them together for
a family's model. What a family can be asked is for the family to say.
"""
