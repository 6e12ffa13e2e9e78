"""Who may: bearer tokens, signatures of AWS clients, limits of each caller.

Pure but for the two files that are read; knows nothing of HTTP's answers: `mme.gateway` makes
them.
"""
