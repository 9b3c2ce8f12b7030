"""Worlds that come with a view, by id, and views that are named on the command line."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import MappingProxyType

from npc_sdk.envs.pettingzoo.mpe import simple_tag
from npc_sdk.envs.pettingzoo.pursuit import pursuit
from npc_sdk.envs.pettingzoo.view import World
from npc_sdk.errors import InputError, nearest

KNOWN: MappingProxyType[str, Callable[[], World]] = MappingProxyType(
    {"mpe2/simple_tag_v3": simple_tag, "sisl/pursuit-v5": pursuit}
)


def world_of(env_id: str, view: str = "") -> World:
    """Returns what is declared of a world.

    Args:
        env_id: of a known world; with a view, whatever the game is to be called.
        view: `module:function` that returns a `World`; "" for a known one.

    Raises:
        InputError: the id is unknown and there is no view, or the view cannot be had.
    """
    if not view:
        if env_id not in KNOWN:
            raise InputError(
                f"unknown world {env_id!r}{nearest(env_id, KNOWN)}; known: {', '.join(KNOWN)}. "
                "Others need --view module:function"
            )
        return KNOWN[env_id]()
    module, _, function = view.partition(":")
    try:
        made = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"view: expected module:function, got {view!r}: {error}") from error
    if not isinstance(made, World):
        raise InputError(f"view: expected {view} to return a World, got {type(made).__name__}")
    return made
