"""Who responds to ketamine infusions in depression, and why: research software."""

__version__ = "0.1.0"
