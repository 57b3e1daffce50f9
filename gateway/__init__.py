"""An async gateway in front of language models; docs/architecture.md draws the house."""

__version__ = "0.1.0"
