"""World models and constrained planning for game NPCs. Importing this package never loads torch."""

from __future__ import annotations

__version__ = "0.1.0"
