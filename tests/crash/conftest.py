"""The nursery, for all tests of this folder."""

from nursing import nursery

__all__ = ["nursery"]
