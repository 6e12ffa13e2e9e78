"""What an endpoint's numbers look like to those who collect them: Prometheus, CloudWatch, traces.

Counts are made where things happen (`mme.core`, `mme.residency.observed`); here they are only read
and written down. Who asks for them, and by which path, is the gateway's business.
"""
