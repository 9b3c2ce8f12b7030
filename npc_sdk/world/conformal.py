"""Split-conformal radii of forecasts: how far off they are, taken from held-out play, and kept honest in play.

The score of a forecast over h steps is max_k e_k / scale_k, with e_k how far off its place was after k steps and
scale_k what it took its own uncertainty for. Let q be the ceil((n + 1)(1 - alpha))-th smallest of n scores from
held-out fights. If a new fight is exchangeable with these, all of its h places lie within q scale_k of the forecast
with probability of at least 1 - alpha (Vovk et al. 2005; Lei et al. 2018, Theorem 2.2). The maximum over steps makes
any correction for many steps needless (Lindemann et al., RA-L 2023). It is a forecast and no guarantee: players change,
and they answer what NPCs do.

Therefore alpha moves in play by what came of forecasts: alpha <- alpha + gamma (wanted - missed), adaptive conformal
inference (Gibbs and Candes 2021, equation 2), once the last step of a forecast has passed. The long-run share of misses
then comes to what is wanted whatever players do. NumPy only.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from npc_sdk.errors import ModelError

KIND, VERSION = "npc_sdk.calibration", 1
FILE = "calibration.json"
GAMMA = 0.01  # per settled forecast: 0.005 is slow to follow a player, 0.05 gives every fifth forecast no end
ENOUGH = 0.5  # share of a forecast's steps at which the player must have been in sight for it to be judged

Floats = NDArray[np.float64]


def scores(
    error: Float[np.ndarray, "*m h"], scale: Float[np.ndarray, "*m h"], floor: float = 1e-3
) -> Float[np.ndarray, "*m h"]:
    """Returns the scores of forecasts that end after 1..h steps; `floor`, m, is the least scale that counts."""
    out: Floats = np.maximum.accumulate(error / np.maximum(scale, floor), -1)
    return out


def quantile(ordered: Float[np.ndarray, " n"], alpha: float) -> float:
    """Returns the score that a new one exceeds with a probability of at most `alpha`, by n scores in rising order.

    Infinite where so few scores cannot say; 0 where every miss is allowed.
    """
    rank = math.ceil((len(ordered) + 1) * (1.0 - alpha) - 1e-9)
    if rank > len(ordered):
        return math.inf
    return float(ordered[rank - 1]) if rank > 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Scores of one forecast on held-out fights, one window a fight: by whether the player was in sight, by length."""

    seen: Mapping[int, Floats]  # steps of a window -> scores in rising order
    unseen: Mapping[int, Floats]
    model_sha256: str = ""  # of the weights that were asked
    notes: Mapping[str, str] = field(default_factory=dict)

    def factor(self, steps: int, seen: bool, alpha: float) -> float:
        """Returns by what a forecast's own scale is to be multiplied; of lengths never asked, the next longer one's."""
        by_length = self.seen if seen else self.unseen
        length = min((h for h in by_length if h >= steps), default=None)
        return math.inf if length is None else quantile(by_length[length], alpha)

    def save(self, path: Path) -> None:
        """Writes the scores as readable JSON, four digits each."""

        def plain(sets: Mapping[int, Floats]) -> dict[str, list[float]]:
            return {str(h): [float(f"{s:.4g}") for s in ordered] for h, ordered in sorted(sets.items())}

        document = {
            "kind": KIND,
            "version": VERSION,
            "model_sha256": self.model_sha256,
            "notes": dict(self.notes),
            "seen": plain(self.seen),
            "unseen": plain(self.unseen),
        }
        path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def read_calibration(path: Path, model_sha256: str) -> Calibration:
    """Reads what `save` wrote.

    Raises:
        ModelError: the file is damaged, of another version, or of other weights.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = (document["kind"], document["version"])
        if found != (KIND, VERSION):
            raise ModelError(f"{path}: expected a file of kind {KIND}, version {VERSION}, got {found}")
        told = str(document["model_sha256"])
        sets = [{int(h): _ordered(row) for h, row in document[name].items()} for name in ("seen", "unseen")]
        notes = {str(name): str(text) for name, text in document["notes"].items()}
    except (OSError, KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path}: expected the scores of a forecast, got: {error!r}") from error
    except ValueError as error:
        raise error if isinstance(error, ModelError) else ModelError(f"{path}: {error}") from error
    if told != model_sha256:
        raise ModelError(
            f"{path}: expected scores of the weights {model_sha256[:12]}, got those of {told[:12]}; "
            "measure them anew: npc-sdk evaluate coverage --save"
        )
    return Calibration(sets[0], sets[1], told, notes)


def _ordered(row: list[float]) -> Floats:
    out = np.asarray(row, np.float64)
    if out.ndim != 1 or not (np.diff(out) >= 0).all() or not (out >= 0).all():
        raise ValueError("expected scores of at least 0 in rising order")
    return out


@dataclass(slots=True)
class _Pending:
    """A forecast whose time has not passed."""

    tick: int
    centre: Floats  # h 2, m
    radius: Floats  # h, m
    looks: int = 0
    missed: bool = False


class Adaptive:
    """The miss rate that one NPC's forecasts are drawn at, moved by what became of them. Feedback comes late.

    Args:
        confidence: to be reached in the long run.
        gamma: how far one forecast moves the rate; 0 keeps it.
    """

    def __init__(self, confidence: float, gamma: float = GAMMA) -> None:
        self._wanted = 1.0 - confidence
        self._gamma = gamma
        self._pending: deque[_Pending] = deque()
        self.alpha = self._wanted  # outside of 0..1 radii are endless, or nothing
        self.settled = 0
        self.held = 0

    @property
    def coverage(self) -> float:
        """The share of settled forecasts that held, NaN before the first."""
        return self.held / self.settled if self.settled else math.nan

    def issue(self, tick: int, centre: Floats, radius: Floats) -> None:
        """Notes a forecast: entry k of `centre` (h 2, m) and `radius` (h, m) is for k + 1 steps after `tick`."""
        self._pending.append(_Pending(tick, centre, radius))

    def look(self, tick: int, place: Floats | None, ticks_per_step: int) -> None:
        """Compares pending forecasts with where the player is, None where it is not in sight; settles what is over."""
        for one in self._pending:
            k = round((tick - one.tick) / ticks_per_step) - 1
            if place is not None and 0 <= k < len(one.radius):
                one.looks += 1
                one.missed = one.missed or bool(math.dist(place, one.centre[k]) > one.radius[k])
        while self._pending and tick - self._pending[0].tick >= len(self._pending[0].radius) * ticks_per_step:
            self._settle(self._pending.popleft())

    def _settle(self, one: _Pending) -> None:
        if one.looks < ENOUGH * len(one.radius):
            return  # nobody knows
        self.settled += 1
        self.held += not one.missed
        self.alpha += self._gamma * (self._wanted - one.missed)
