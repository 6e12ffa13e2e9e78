"""Model families: how an artifact becomes a model, answers requests and is trained.

One folder per family, one line each in `registry`. What they share: the interface to the server
around them (`serving`), errors (`errors`), headers and bodies (`media`, `bodies`, `requests`),
parameters (`params`), the reading of pickles as data (`pickles`, `records`) and of corpora
(`corpus_reader`, `word_counts`), mapped files (`mapped`), and `language`. Nothing here knows of the
server. The families know nothing of each other.
"""
