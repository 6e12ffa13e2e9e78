"""What the families know of languages: stop words, stems and tagged sentences.

`stop_words` and `stemming` are cheap to import; `pipelines` brings spaCy, and `hanta_tagger` the
part-of-speech models of HanTa with the mapping tables of `tagsets`.
"""
