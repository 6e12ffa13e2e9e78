"""Evaluation: labelled sets, measures on them, and asking a loaded model for its answers.

`sets` reads folders and `single` single files, `measures` are pure functions of rankings and
scores, `asking` puts them together for a family's model, `results` and `retrieval` say what came
of it. What a family can be asked is for the family to say.
"""
