"""Texts as people send them, before a family reads them.

`cleaning` takes away what is no text: tags, entities, invisible characters; `markup` knows what a
tag is. Each family decides for itself whether it cleans.
"""

from models.text.cleaning import clean

__all__ = ["clean"]
