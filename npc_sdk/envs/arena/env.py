"""The arena as a PettingZoo world: `parallel_env()` and `env()`, registered as `npc_sdk/arena-v0`.

Importing this module needs the extra `env` and registers the id; then PettingZoo's
`make("parallel", "npc_sdk/arena-v0")` works, as does `make("aec", ...)`.
"""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.env_registry.registration import aec_registry, parallel_registry, register
from pettingzoo.utils.conversions import parallel_to_aec
from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from npc_sdk.envs import Columns
from npc_sdk.envs.arena.config import CHANNELS, TICK_HZ, ArenaConfig
from npc_sdk.envs.arena.draw import draw, pixels
from npc_sdk.envs.arena.maps import make_map
from npc_sdk.envs.arena.observe import ACTION_COLUMNS, Column, Observer, observation_columns, state_columns
from npc_sdk.envs.arena.world import Arena
from npc_sdk.errors import InputError

ENV_ID = "npc_sdk/arena-v0"

Vector = NDArray[np.float32]


class ArenaEnv(ParallelEnv[str, Vector, Vector]):  # type: ignore[misc]  # PettingZoo ships no types
    """One fight; `player_0` is an agent like the NPCs. An agent's reward is hp dealt minus hp taken, / 100.

    Args:
        npcs: 4 to 24.
        squad_size: NPCs per squad; the first of each is its leader.
        split: which maps: train, validation or test.
        maps: each reset draws one of this many maps of the split.
        mortal: False keeps everybody alive; damage still counts.
        max_cycles: ticks of 1/30 s until truncation.
        render_mode: None, "rgb_array" or "human".
    """

    metadata = {  # noqa: RUF012  # PettingZoo's convention
        "name": "arena_v0",
        "render_modes": ["human", "rgb_array"],
        "is_parallelizable": True,
        "render_fps": TICK_HZ,
    }

    def __init__(
        self,
        npcs: int = 8,
        squad_size: int = 4,
        split: str = "train",
        maps: int = 16,
        mortal: bool = True,
        max_cycles: int = 1800,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "human", "rgb_array"):
            raise InputError(f"render_mode: expected None, 'human' or 'rgb_array', got {render_mode!r}")
        if maps < 1:
            raise InputError(f"maps: expected 1 or more, got {maps}")
        self.render_mode = render_mode
        self.max_cycles = max_cycles
        self._split, self._maps = split, maps
        self._config = ArenaConfig(npcs=npcs, squad_size=squad_size, mortal=mortal, max_ticks=2**31)
        self.possible_agents = [f"player_{i}" for i in range(self._config.players)]
        self.possible_agents += [f"npc_{i}" for i in range(npcs)]
        self.agents: list[str] = []
        observed, acted = _box(observation_columns(self._config)), _box(ACTION_COLUMNS)
        self.observation_spaces = {agent: _copy(observed) for agent in self.possible_agents}
        self.action_spaces = {agent: _copy(acted) for agent in self.possible_agents}
        self.state_space = _box(state_columns(self._config))
        self.columns = Columns(
            observation=tuple(c.name for c in observation_columns(self._config)),
            action=CHANNELS,
            state=tuple(c.name for c in state_columns(self._config)),
        )
        self._rng = np.random.Generator(np.random.SFC64())
        self._arena: Arena | None = None
        self._observer: Observer | None = None

    def observation_space(self, agent: str) -> Box:
        """Returns the agent's space, the same object at every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """Returns the agent's space, the same object at every call."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[dict[str, Vector], dict[str, dict[str, object]]]:
        """Starts a new fight; `options["map"]` picks a map by its index."""
        if seed is not None:
            self._rng = np.random.Generator(np.random.SFC64(seed))
        drawn, world_seed = int(self._rng.integers(self._maps)), int(self._rng.integers(2**31))
        chosen = (options or {}).get("map", drawn)
        if not isinstance(chosen, int):
            raise InputError(f"options: map: expected an index, got {chosen!r}")
        self._arena = Arena([make_map(self._split, chosen)], self._config, world_seed)
        self._observer = Observer(self._arena)
        self._observer.look()
        self.agents = self.possible_agents[:]
        self._show()
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, Vector]
    ) -> tuple[dict[str, Vector], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, object]]]:
        """Advances by one tick. Agents without an action stand still."""
        arena, observer = self._running()
        batch = np.zeros((1, arena.config.agents, len(CHANNELS)), np.float32)
        for agent, action in actions.items():
            batch[0, self.possible_agents.index(agent)] = action
        events = arena.step(batch)
        observer.look()
        late, over = int(arena.tick[0]) >= self.max_cycles, bool(arena.over[0])
        score = (events.damage_dealt[0] - events.damage_taken[0]) / 100.0
        acting = self.agents
        index = {agent: self.possible_agents.index(agent) for agent in acting}
        rewards = {agent: float(score[index[agent]]) for agent in acting}
        terminations = {agent: over or not bool(arena.alive[0, index[agent]]) for agent in acting}
        truncations = {agent: late and not terminations[agent] for agent in acting}
        observations = self._observations()
        infos: dict[str, dict[str, object]] = {agent: {} for agent in acting}
        self.agents = [agent for agent in acting if not (terminations[agent] or truncations[agent])]
        self._show()
        return observations, rewards, terminations, truncations, infos

    def state(self) -> Vector:
        """Returns the whole truth, named by `columns(env).state`."""
        return self._running()[1].state()

    def render(self) -> NDArray[np.uint8] | None:
        """Returns 480 x 480 RGB pixels in mode rgb_array, else None."""
        if self.render_mode == "rgb_array":
            return pixels(self._running()[0])
        return None

    def close(self) -> None:
        """Closes the window, if there is one."""
        if self.render_mode == "human":
            import pygame

            pygame.display.quit()

    def _observations(self) -> dict[str, Vector]:
        rows = self._running()[1].observations()
        return {agent: rows[self.possible_agents.index(agent)] for agent in self.agents}

    def _running(self) -> tuple[Arena, Observer]:
        if self._arena is None or self._observer is None:
            raise InputError("arena: expected reset() before anything else")
        return self._arena, self._observer

    def _show(self) -> None:
        """Brings the picture to the window in mode human."""
        if self.render_mode != "human":
            return
        import pygame

        surface = draw(self._running()[0])
        window = pygame.display.get_surface() or pygame.display.set_mode(surface.get_size())
        window.blit(surface, (0, 0))
        pygame.event.pump()
        pygame.display.flip()


def parallel_env(**options: object) -> ArenaEnv:
    """Returns the parallel world; options as of `ArenaEnv`."""
    return ArenaEnv(**options)  # type: ignore[arg-type]  # PettingZoo hands keywords through untyped


def env(**options: object) -> AECEnv[str, Vector, Vector]:
    """Returns the turn-based world; options as of `ArenaEnv`."""
    return OrderEnforcingWrapper(parallel_to_aec(parallel_env(**options)))


def _box(columns: tuple[Column, ...]) -> Box:
    low = np.array([c.low for c in columns], np.float32)
    high = np.array([c.high for c in columns], np.float32)
    return Box(low, high, dtype=np.float32)


def _copy(box: Box) -> Box:
    return Box(box.low, box.high, dtype=np.float32)


def _register() -> None:
    here = "npc_sdk.envs.arena.env"
    if ENV_ID not in parallel_registry:
        register("parallel", ENV_ID, entry_point=f"{here}:parallel_env")
    if ENV_ID not in aec_registry:
        register("aec", ENV_ID, entry_point=f"{here}:env")


_register()
