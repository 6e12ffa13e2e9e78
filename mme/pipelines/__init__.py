"""Requests that go through several models: serial pipelines, and ensembles' other target models.

What an ensemble's steps ask of other target models is for `ensembles.py`.
"""
