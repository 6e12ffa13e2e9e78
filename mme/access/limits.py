"""How often each caller may ask, and for how much at a time.

A caller has a store of requests that fills at its rate, up to those of a second (one at least), and
each request takes one. Callers are counted by name: whoever is not known, by address.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from mme.access.refusals import Throttled

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_CALLERS = 10_000
"""Of more, the one that was away for longest begins anew."""
NETWORK_BITS = 64
"""Of an address of version 6: whoever has one has all that begin alike."""


class Limits:
    """The limits of one endpoint; without any it only counts. The event loop owns it."""

    def __init__(
        self,
        rate_per_s: float | None = None,
        most_at_a_time: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate_per_s = rate_per_s
        self._most = most_at_a_time
        self._clock = clock
        self._stores: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What each had left, and when that was."""
        self._under_way: dict[str, int] = {}

    def take(self, caller: str) -> None:
        """Count a request. Raises Throttled: it is one too many in this second."""
        rate = self._rate_per_s
        if rate is None:
            return
        most = max(1.0, rate)
        now_s = self._clock()
        left, since_s = self._stores.pop(caller, (most, now_s))
        left = min(most, left + (now_s - since_s) * rate)
        is_refused = left < 1
        self._stores[caller] = (left if is_refused else left - 1, now_s)
        if len(self._stores) > MOST_CALLERS:
            self._stores.popitem(last=False)
        if is_refused:
            raise Throttled(
                f"Rate exceeded: {caller!r} may ask {rate:g} times a second",
                max(1, math.ceil((1 - left) / rate)),
            )

    def begin(self, caller: str) -> None:
        """Count a request that is under way until `end`. Raises Throttled, and counts nothing."""
        if self._most is None:
            return
        count = self._under_way.get(caller, 0)
        if count >= self._most:
            raise Throttled(
                f"Too many requests at a time: {caller!r} may have {self._most} under way", 1
            )
        self._under_way[caller] = count + 1

    def end(self, caller: str) -> None:
        """Count a request as over that had begun."""
        if self._most is None:
            return
        count = self._under_way[caller] - 1
        if count:
            self._under_way[caller] = count
        else:
            del self._under_way[caller]


def name_of_address(address: str | None) -> str:
    """As whom an address is counted; those of a socket of this machine are one."""
    if not address:
        return "local"
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(parsed), NETWORK_BITS), strict=False))
    return address
