"""Measurements of the integrator against its peers on the real model; run with ``python -m benchmarks``."""
