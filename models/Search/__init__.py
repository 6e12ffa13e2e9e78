"""Search: the documents of a corpus, fact-checks say, that a claim is about.

`family` is the door. `analysis` makes terms of a text, `corpus` reads the documents, `postings` and
`vectors` are what `train` makes of them, `index_file` is where that is kept and checked, `ranking`
finds the best documents, `model` speaks the wire, `params` reads the parameters.
"""
