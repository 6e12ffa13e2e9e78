"""Made-up traces: as long, as skewed and as fast as was said, the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from mme.planning.zipf import Zipf, ZipfError, zipf_of


def whole(zipf, size=1000):
    chunks = list(zipf.chunks(size))
    at_s = np.concatenate([chunk.at_s for chunk in chunks])
    return at_s, np.concatenate([chunk.model for chunk in chunks])


def test_the_words_are_read_with_their_units():
    zipf = zipf_of("models=100000, requests=100e6,s=1.1,rate=30000/min,seed=7")
    assert zipf == Zipf(models=100_000, requests=100_000_000, s=1.1, rate=500.0, seed=7)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models=0", "models=0 is not from 1 to"),
        ("rate=1e-6,requests=1e6,drift=0.1", "requests=1000000 at rate=1e-06 take"),
        ("speed=4", "'speed=4': write NAME=NUMBER, of models, requests, s, rate"),
        ("models", "'models': write NAME=NUMBER"),
        ("rate=5/day", "rate='5/day': write a number, as 500/s"),
        ("s=11", "s=11 is not from 0 to 10"),
        ("models=inf", "models='inf': write a number"),
    ],
)
def test_an_error_says_what_was_written_and_what_may_be(text, said):
    with pytest.raises(ZipfError) as error:
        zipf_of(text)
    assert str(error.value).startswith(said)


def test_the_same_words_give_the_same_requests_whatever_the_chunks():
    zipf = zipf_of("models=50,requests=5000,seed=3,drift=0.2,rate=1/s")
    at_s, model = whole(zipf, 5000)
    again_s, again = whole(zipf, 700)
    assert np.array_equal(model, again)
    assert np.allclose(at_s, again_s)


def test_models_are_asked_for_by_zipf_s_law_at_the_rate():
    at_s, model = whole(zipf_of("models=1000,requests=200000,s=1,rate=100/s"), 50_000)
    share = np.bincount(model, minlength=1000) / len(model)
    weights = 1 / np.arange(1, 1001)
    assert share[:3] == pytest.approx((weights / weights.sum())[:3], rel=0.05)
    assert len(at_s) / at_s[-1] == pytest.approx(100, rel=0.02)
    assert (np.diff(at_s) >= 0).all()


def test_a_swing_makes_half_a_day_busier_than_the_other():
    at_s, _ = whole(zipf_of("models=10,requests=86400,rate=1/s,swing=0.5"), 20_000)
    first_half = ((at_s > 0) & (at_s < 43_200)).sum() / len(at_s)
    assert first_half == pytest.approx(0.5 + 0.5 / np.pi, abs=0.02)  # the sine's upper half
    assert (np.diff(at_s) >= 0).all()


def test_a_drift_deals_places_anew_and_loses_no_model():
    zipf = zipf_of("models=100,requests=40000,s=1.5,rate=2/s,drift=0.5")
    at_s, model = whole(zipf, 10_000)
    hottest = [int(np.bincount(model[at_s // 3600 == hour]).argmax()) for hour in range(5)]
    assert len(set(hottest)) > 1
    assert set(model.tolist()) <= set(range(100))
