"""teul (틀): containers for machine learning."""

__all__ = ["__version__"]

__version__ = "0.1.0"
