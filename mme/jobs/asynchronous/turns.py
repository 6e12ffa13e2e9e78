"""Which endpoint's requests are taken next, where there are more than may run. Pure."""

from __future__ import annotations


def shares(wanted: dict[str, int], room: int, turn: int) -> dict[str, int]:
    """How many requests of each endpoint to take, of at most `room`; endpoints share alike.

    What is left after that goes to those whose turn it is.
    """
    left = {endpoint: count for endpoint, count in wanted.items() if count > 0}
    taken: dict[str, int] = dict.fromkeys(left, 0)
    names = sorted(left)
    begin = turn % len(names) if names else 0
    names = names[begin:] + names[:begin]
    while room > 0 and left:
        each = max(1, room // len(left))
        for endpoint in [name for name in names if name in left]:
            count = min(each, left[endpoint], room)
            taken[endpoint] += count
            room -= count
            left[endpoint] -= count
            if not left[endpoint]:
                del left[endpoint]
    return {endpoint: count for endpoint, count in taken.items() if count}
