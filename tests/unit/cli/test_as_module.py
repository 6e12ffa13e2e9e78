"""The command without its script."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["mme", "mme.cli.main"])
def test_a_module_is_the_command_too(module):
    ended = subprocess.run(
        [sys.executable, "-m", module, "settings"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    assert "MME_PORT" in ended.stdout
