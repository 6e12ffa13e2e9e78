"""Which version this is, also where nothing is installed, as in the image."""

from __future__ import annotations

VERSION = "0.1.0"
"""`pyproject.toml` reads it here."""
