"""Unlearnability Bench: measures data that must not be learned, and models that must forget."""

__version__ = "0.1.0"
