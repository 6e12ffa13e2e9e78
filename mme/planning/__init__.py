"""The capacity planner: a trace of requests replayed by the rules the product runs, on a clock.

`trace.py` is what was asked and when, `costs.py` what models cost, `machine.py` what they run on;
`simulate.py` replays, and `outcome.py` is what came of it. No request is computed here.
"""
