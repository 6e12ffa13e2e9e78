"""What the families know of languages: stop words, stems and tagged sentences.

`stop_words` and `stemming` are cheap to import. `pipelines` brings spaCy, and for languages without
an installed pipeline the tagger of `hanta`.
"""
