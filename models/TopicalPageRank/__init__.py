"""Keyphrases by single topical PageRank (Sterckx, Demeester, Deleu and Develder, WWW 2015).

`family` is what `models.registry` loads. A text becomes tagged sentences (`models.language`);
`grammar` finds candidate phrases in them, `lda` the topics, `graph` the words' ranks, and `ranking`
puts these together. `model` answers requests, `params` and `model_file` read the artifact, `train`
makes one.
"""
