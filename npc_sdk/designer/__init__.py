"""What designers turn while the game runs, and what they get to see: personas, the board, explanations, barks."""

from __future__ import annotations
