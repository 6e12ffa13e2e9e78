"""How far a plan has come: on a terminal a bar of requests for each replay; nothing elsewhere."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.planning.plan import Phase, Progress


@contextlib.contextmanager
def shown_phases(*, is_quiet: bool) -> Iterator[Phase]:
    """What begins a bar, which ends the one before it."""
    is_hidden = is_quiet or not sys.stderr.isatty()
    with contextlib.ExitStack() as open_bars:

        def phase(what: str) -> Progress:
            open_bars.close()
            bar = open_bars.enter_context(
                tqdm(desc=what, unit="", unit_scale=True, disable=is_hidden, leave=False)
            )

            def told(requests: int, at_s: float) -> None:
                if at_s:
                    bar.set_postfix_str(f"second {at_s:.0f} of the trace", refresh=False)
                bar.update(requests - bar.n)

            return told

        yield phase
