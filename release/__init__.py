"""Making a release: `python -m release prepare VERSION`, then `python -m release make`.

`prepare` writes the version and dates the changelog's lines; that is committed. `make` takes what
is committed and nothing else, and writes all that is published to `dist/VERSION`. It pushes nothing
and sets no tag. How to release, step by step: docs/releasing.md.
"""
