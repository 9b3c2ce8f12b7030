"""Worlds that come with a view, by id, and views that are named on the command line."""

from __future__ import annotations

import importlib
import os
import sys
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
        view: `module:function` that returns a `World`; "" for a known one. The module may be in the current folder,
            which is put on `sys.path`.

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
    made = _named(view)
    if not isinstance(made, World):
        raise InputError(f"view: expected {view} to return a World, got {type(made).__name__}")
    return made


def _named(view: str) -> object:
    """Calls `module:function`, of an installed module or one in the current folder.

    Raises:
        InputError: it is not written so, is not there, or fails.
    """
    module, _, function = view.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), function)):
        raise InputError(f"view: expected module:function, got {view!r}")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)  # as `python -m` has it, and a console script has not
    try:
        return getattr(importlib.import_module(module), function)()
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise InputError(f"view {view}: {error}") from error
        raise InputError(f"view: expected a module {module} that is installed or in {here}: {error}") from error
    except (ImportError, AttributeError, TypeError, ValueError, SyntaxError) as error:
        raise InputError(f"view {view}: {type(error).__name__}: {error}") from error
