"""Worlds that train and test NPCs."""

from __future__ import annotations
