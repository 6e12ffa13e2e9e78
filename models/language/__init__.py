"""What the families know of languages: stop words, stems and tagged sentences.

`stop_words`, `stemming` and `normal_forms` are cheap to import. `pipelines` brings spaCy, of which
`tokens` makes what it needs, and for languages without an installed pipeline the tagger of `hanta`.
`whole_words` keeps together what spaCy takes apart.
"""
