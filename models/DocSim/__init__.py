"""Similarity of texts by the mean of their words' vectors.

`family` is the door. `words` makes words of a text, `vectors` reads and compares word vectors,
`model` speaks the wire, `params` reads the parameters, `train` makes an artifact.
"""
