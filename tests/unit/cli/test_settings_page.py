"""docs/settings.md says of every setting what the code says."""

from __future__ import annotations

from pathlib import Path

from mme.cli.settings import meanings
from mme.core.settings import PROJECT_ROOT, Settings

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def shown(default: object) -> str:
    """A default as the page has it, the same on every machine."""
    if isinstance(default, tuple):
        default = ",".join(default)
    if default is None or default == "":
        return ""
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{str(default).removeprefix(f'{PROJECT_ROOT}/')}`"


def row(name: str, meaning: str) -> str:
    """The line of the table for one setting."""
    homes = {"cache_dir": "`~/.cache/mme`", "state_dir": "`~/.local/state/mme`"}
    default = homes.get(name) or shown(_default(name))
    return f"| `MME_{name.upper()}` | {default} | {meaning} |"


def _default(name: str) -> object:
    return Settings.model_fields[name].get_default(call_default_factory=True)


def test_the_page_lists_every_setting_with_its_default_and_meaning_in_order():
    expected = [row(name, meaning) for name, meaning in meanings().items()]
    listed = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `MME_")]
    assert listed == expected
