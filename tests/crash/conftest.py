"""The nursery and a folder in memory, for all tests of this folder."""

from nursing import nursery, quick_folder

__all__ = ["nursery", "quick_folder"]
