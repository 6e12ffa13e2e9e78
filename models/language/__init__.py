"""What the families know of languages: stop words, stems and tagged sentences.

`stop_words` and `stemming` are cheap to import; `pipelines` brings spaCy, and `hanta_tagger` the
part-of-speech models of HanTa with the mapping tables of `tagsets`. From the top down: a sentence
(`hanta_sentences`), its words (`hanta_words`), unknown words (`hanta_analysis`), their unknown
parts (`hanta_guesses`); over arrays (`hanta_model`, `letter_tree`) made by `hanta_reading`.
"""
