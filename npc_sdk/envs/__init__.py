"""Worlds that train and test NPCs.

`columns(env)` names every column of a PettingZoo world's observations, actions and state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from npc_sdk.errors import InputError

if TYPE_CHECKING:
    from pettingzoo import AECEnv, ParallelEnv


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the flat vectors' columns, in order."""

    observation: tuple[str, ...]
    action: tuple[str, ...]
    state: tuple[str, ...]


def columns(env: ParallelEnv[Any, Any, Any] | AECEnv[Any, Any, Any]) -> Columns:
    """Names the columns of one of our worlds, parallel or turn-based, wrapped or not.

    Raises:
        InputError: the world is not one of ours.
    """
    inner = env.unwrapped
    inner = getattr(inner, "env", inner)  # PettingZoo's converters keep the parallel world there
    named = getattr(inner, "columns", None)
    if not isinstance(named, Columns):
        raise InputError(f"columns: expected a world of npc_sdk.envs, got {env}")
    return named
