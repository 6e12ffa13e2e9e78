"""Batch transform: every object below a place, record by record through a model, to another place.

What is pure (records, payloads, filters, joins) knows no model; `run` puts it together.
"""
