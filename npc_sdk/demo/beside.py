"""The control match beside the real one, while somebody wants it: the twin's process, started when first needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from npc_sdk.demo.settings import Request
from npc_sdk.demo.twin import Start, Twin, TwinView


class Beside:
    """At most one twin. Used from the game's thread; nothing waits."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._twin: Twin | None = None

    def prepare(self) -> Twin:
        """Start the process, so that it has read its libraries when it is wanted."""
        if self._twin is None or not self._twin.alive:
            self._twin = Twin()
        return self._twin

    def begin(self, start: Start) -> None:
        """Play a control match from here."""
        self.prepare().begin(start)

    def end(self) -> None:
        """End the control match; what it counted stays."""
        if self._twin is not None:
            self._twin.end()

    def tell(self, requests: Sequence[Request]) -> None:
        """Turn the control match's board as the real one is turned."""
        if self._twin is not None:
            self._twin.tell(list(requests))

    def tick(self, action: NDArray[np.floating] | None) -> None:
        """The real match goes on by one tick; `action` is the human's."""
        if self._twin is not None:
            self._twin.tick(action)

    @property
    def view(self) -> TwinView | None:
        """The control match as it stands, None while there is none."""
        return None if self._twin is None else self._twin.view

    @property
    def broken(self) -> int | None:
        """NPC-ticks inside a painted zone, by NPCs that had been outside; None before the first control match."""
        return None if self._twin is None or not self._twin.begun else self._twin.broken

    def close(self) -> None:
        """End the process."""
        if self._twin is not None:
            self._twin.close()
