"""Similarity of texts by the mean of their words' vectors.

`family` is the door. `words` makes words of a text, `vectors` reads and sums word vectors, `texts`
makes vectors of many texts at once; `model` speaks the wire, with `matching` for one query against
many `documents`, `tagging` for the tags of a `taxonomy`. `train` makes an artifact, `prepare` its
documents, `taxonomy_report` and `tag_report` what is written beside it.
"""
