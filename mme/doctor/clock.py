"""Whether this machine's clock agrees with the store's. Pure."""

from __future__ import annotations

from mme.doctor.finding import Finding, failed, ok, skipped, warning

CHECK = "clock"
NOTED_S, REFUSED_S = 60.0, 900.0
"""From when it is told; from when S3 refuses what is signed."""
ADVICE = "have this machine's clock set by a time server"


def judge_clock(skew_s: float | None) -> Finding:
    """By how far this machine is ahead of the store, in seconds; None: it did not say."""
    if skew_s is None:
        return skipped(CHECK, "no answer of S3 to compare it with")
    # What S3 says is a full second.
    said = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} S3's"
    if abs(skew_s) >= REFUSED_S:
        return failed(CHECK, f"it is {said}: S3 refuses what is signed", ADVICE, skew_s=skew_s)
    if abs(skew_s) >= NOTED_S:
        return warning(CHECK, f"it is {said}", ADVICE, skew_s=skew_s)
    return ok(CHECK, "it agrees with S3's to the minute", skew_s=round(skew_s, 1))
