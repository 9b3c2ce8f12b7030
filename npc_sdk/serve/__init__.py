"""The brain as a process: one server, one runtime, one board, joined on the planner's thread."""

from __future__ import annotations
