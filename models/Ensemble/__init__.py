"""Ensemble: several models in one artifact, asked one after the other as `ensemble.json` says.

`family` is what `models.registry` loads. `kinds` are the types of values, `templates` say which
earlier values a step takes, `definition` reads the file into `work` (steps that only rearrange
values) and `asking` (steps that ask a member), `graph` checks how they hang together, `running`
does them for one request, `model` answers requests. Members are of any other family; they are
loaded by the registry, so that nothing here knows a family by name.
"""
