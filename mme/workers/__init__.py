"""Workers: started and ended in the model server, asked at their doors, given requests in turn.

`engine.py` is what residency asks. Knows nothing of targets, stores and versions.
"""
