"""The version of this distribution, and nothing else."""

__version__ = "0.2.0"
