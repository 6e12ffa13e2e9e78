"""Similarity of texts by the mean of their words' vectors.

`family` is what `models.registry` loads. `words` makes words of a text, `vectors` reads and sums
word vectors, `texts` makes vectors of many texts at once. `model` answers requests; it leaves one
query against many `documents` to `matching`, and the tags of a `taxonomy` to `tagging`. `train`
makes an artifact, `prepare` its documents, `taxonomy_report` and `tag_report` its reports.
"""
