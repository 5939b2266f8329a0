"""The version of every program in this distribution."""

__version__ = "0.2.0"
