"""What instances cost: a table of CSV, the one that comes along or another.

The figures that come along are public list prices of SageMaker's real-time hosting as they were
known on the day in the column `as_of`: a guide, no offer.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("instance", "vcpu", "memory_gib", "usd_per_hour", "region")
SHIPPED = Path(__file__).parent / "prices.csv"
HOURS_PER_MONTH = 730
GIB = 1024**3
DEFAULT_REGION = "us-east-1"


class PricesError(ValueError):
    """A table that cannot be read: says what stood where."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A type of instance, in one region."""

    name: str
    cores: int
    memory_bytes: int
    usd_per_hour: float
    region: str
    as_of: str = ""

    def month_usd(self, count: int) -> float:
        """What so many cost in a month of 730 hours."""
        return self.usd_per_hour * count * HOURS_PER_MONTH


def read_prices(path: Path = SHIPPED, region: str = DEFAULT_REGION) -> list[Instance]:
    """The instances of a region. Raises PricesError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            lacking = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if lacking:
                raise PricesError(f"{path}: no column {lacking[0]!r} in {rows.fieldnames}")
            found = [_instance(row, f"{path} line {rows.line_num}") for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PricesError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    of_region = [each for each in found if each.region == region]
    if not of_region:
        known = ", ".join(sorted({each.region for each in found})) or "none"
        raise PricesError(f"{path} has no price of region {region!r}, only of {known}")
    return of_region


def _instance(row: dict[str, str], where: str) -> Instance:
    try:
        vcpu, gib = int(row["vcpu"]), float(row["memory_gib"])
        usd = float(row["usd_per_hour"])
    except (TypeError, ValueError) as error:
        raise PricesError(f"{where}: {error}") from error
    if not (row["instance"] and vcpu > 0 and 0 < gib < math.inf and 0 <= usd < math.inf):
        raise PricesError(f"{where}: {', '.join(map(str, row.values()))} is no instance")
    memory_bytes = int(gib * GIB)
    return Instance(row["instance"], vcpu, memory_bytes, usd, row["region"], row.get("as_of") or "")
