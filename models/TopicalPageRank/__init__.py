"""Keyphrases by single topical PageRank (Sterckx, Demeester, Deleu and Develder, WWW 2015).

`family` is the door. A text becomes tagged sentences (`models.language`), `grammar` finds candidate
phrases in them, `lda` the topics, `graph` the words' ranks, `ranking` puts these together; `model`
speaks the wire, `params` and `model_file` read the artifact, `train` makes one.
"""
