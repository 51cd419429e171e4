"""Treatments: embolisation as a mechanism of its own, drugs as a library of data."""
