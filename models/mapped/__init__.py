"""Models as mapped files: the content of artifacts, written once in a form that can be mapped.

`folder.py` keeps named arrays in one file, mapped and shared by every worker; `vocabulary.py`
finds words in arrays instead of in a Python dict; `npy.py` maps matrices where they are. Which
arrays there are is each family's matter.
"""
