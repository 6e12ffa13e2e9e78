"""Texts as people send them, before a family reads them.

`cleaning` takes away what is no text: tags, entities, invisible characters; `markup` knows what a
tag is. `languages` tells whether a text is in the language it should be in, `sentences` cuts a text
roughly. Each family decides for
itself what it does with a text.
"""

from models.text.cleaning import clean
from models.text.languages import other_language, warning

__all__ = ["clean", "other_language", "warning"]
