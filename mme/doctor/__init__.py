"""What would keep an endpoint from serving here: looked at on this machine, in its environment.

No endpoint needs to run. Each module looks at one thing and returns findings; reading (`check_*`)
and deciding (`judge_*`) are apart. `examination.py` has them all, in order; printing is the
command's (`mme.cli.doctor`).
"""
