"""Model families: how an artifact becomes a model, answers requests and is trained.

One folder per family, one line each in `registry`. What they share: the shapes of requests and
answers (`serving`), errors (`errors`), the wire (`media`, `bodies`), parameters (`params`), the
reading of pickles as data (`pickles`, `records`) and of corpora (`corpus_reader`), and `language`.
Nothing here knows of the server around it.
"""
