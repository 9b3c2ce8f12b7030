"""Games in web pages: one WebSocket a page, each joined to a ZeroMQ socket of its own at the brain."""

from __future__ import annotations
