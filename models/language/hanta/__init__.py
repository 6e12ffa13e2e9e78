"""Tagging by the models of HanTa (Wartena 2019), with the library's own tags, but over arrays.

`tagger` is the component of a spaCy pipeline. From the top down: `sentences` chooses the tags of a
sentence, `words` the tags each word may have, `analysis` those of an unknown word (`batches` those
of many, `shared_analyses` remembers them), `guesses` the parts of it that are unknown. They read
`model`, which `reading` makes of the library's files: `letter_tree` and `word_index` find strings
in it. `tagsets` has the universal parts of speech.
"""
