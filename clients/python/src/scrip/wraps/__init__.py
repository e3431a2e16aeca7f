"""Wraps of libraries that call models. Each needs the extra of its name."""

from scrip.wraps._call import Charges

__all__ = ["Charges"]
