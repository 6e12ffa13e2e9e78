"""Search: the documents of a corpus, fact-checks say, that a claim is about.

`family` is what `models.registry` loads. `analysis` makes terms of a text, `corpus` reads the
documents, `train` makes `postings` and `vectors` of them, `index_file` keeps and checks these,
`ranking` finds the best documents, `model` answers requests, `params` reads the parameters. An
encoder's vectors are in `meaning` and `meaning_file`; one that is another target model is asked by
`asking_model` and `far_encoder`.
"""
