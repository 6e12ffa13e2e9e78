"""Ensemble: several models in one artifact, asked one after the other as `ensemble.json` says.

`family` is what `models.registry` loads. `kinds` are the types of values, `templates` say which
earlier values a step takes, `reading` makes a `definition` of the file: of `work` (steps that only
rearrange values), `asking` (steps that ask a member) and `elsewhere` (other target models). `graph`
checks how they hang together, `running` does them for one request, `model` answers requests, and
`as_tensors` is for those that come as tensors. Members are of any other family; they are loaded by
the registry, so that nothing here knows a family by name.
"""
