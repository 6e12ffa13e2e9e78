"""Sentence embeddings: texts as vectors that are near where the texts mean the same.

`encoders` has the encoders that artifacts may name, `passages` cuts documents into what an encoder
takes at once. Which texts are encoded, and what vectors are used for, is for the families.
"""
