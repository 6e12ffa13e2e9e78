"""Serial pipelines: a request goes through steps in order, each answer is the next one's request.

What a step is asks: `definition.py`. Where pipelines come from: the operator's file (`reading.py`),
or a key that a created endpoint was given (`mme.core.pipeline_key`). `models.py` is the engine with
pipelines in it.
"""
