"""Draws the arena layer by layer, and what NPCs see and imagine in it: at twice the size, and then scaled down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pygame
import pygame.gfxdraw
from jaxtyping import Float
from numpy.typing import NDArray

from npc_bridge.schema import Polygon
from npc_sdk.demo import theme
from npc_sdk.demo.bodies import BODY, Bodies
from npc_sdk.demo.camera import SUPER, Camera, Points
from npc_sdk.demo.floor import draw_floor, draw_zone
from npc_sdk.demo.ghosts import ghosts
from npc_sdk.demo.labels import NO_IDEA, Labels
from npc_sdk.demo.paint import Corners
from npc_sdk.demo.scene import CALLBACK, BeliefView, NpcView, Scene, Thought
from npc_sdk.demo.theme import mix, squad_colour
from npc_sdk.geometry import ray_distances

GLOW = 2  # large soft shapes are drawn this much smaller and added as light: cheap, and their edges are soft
CONE = 5.0  # m of the view cone that is drawn
HALF_ANGLE = math.pi / 3
RAYS = 81  # of a view cone: fewer would let it lap over the edges of walls
_LIGHT = SUPER * GLOW  # pixels of the canvas per pixel of light


@dataclass(frozen=True, slots=True)
class _Fan:
    """The alternatives of one decision, ready to draw: how bad each is (0..1) and its line, the worst first."""

    thought: Thought
    lines: tuple[tuple[float, Points], ...]


class ArenaView:
    """The picture of one arena. Holds the static layer; everything that moves comes with the scene."""

    def __init__(
        self,
        polygons: Sequence[Polygon],
        bounds: tuple[float, float, float, float],
        edges: Float[np.ndarray, "o 4"],
        size: int,
    ) -> None:
        """Prepare `size` x `size` px; `edges` are those that cut off view cones."""
        self.camera = Camera(bounds, size)
        self.image = pygame.Surface((size, size))
        self._canvas = pygame.Surface((size * SUPER, size * SUPER))
        self._glow = pygame.Surface((size // GLOW, size // GLOW))
        self._fans: dict[int, _Fan] = {}
        self._player_at = (0.0, 0.0)
        self._bodies = Bodies(self._canvas, self.camera)
        self._labels = Labels(self.image, self.camera)
        self._floor = draw_floor(self.camera, polygons, bounds)
        self._zones: tuple[Corners, ...] = ()
        self._painted = self._floor
        self._edges = edges

    def draw(self, scene: Scene) -> pygame.Surface:
        """Draw one moment and return the picture; it is overwritten by the next call."""
        canvas = self._canvas
        canvas.blit(self._ground(scene.zones), (0, 0))
        self._glow.fill((0, 0, 0))
        self._cones(scene)
        for belief in scene.beliefs:
            self._belief(belief, scene.time)
        living = [n for n in scene.npcs if n.alive]
        self._player_at = self.camera.point(scene.player.at)
        for npc in living:
            self._alternatives(npc, npc.id == scene.selected, scene.selected != 0)
        lost = {b.squad for b in scene.beliefs if not b.seen and b.sigma >= NO_IDEA}
        for npc in _spokesmen([n for n in living if n.squad not in lost], scene.selected):
            self._ghost(npc, npc.id == scene.selected)
        for npc in scene.npcs:
            if not npc.alive:
                self._bodies.fallen(npc)
        for npc in living:
            self._plan(npc)
        for grenade in scene.grenades:
            self._bodies.grenade(grenade, scene.time)
        for npc in living:
            self._bodies.npc(npc, npc.id == scene.selected, scene.time)
        if len(scene.stroke) > 1:
            pygame.draw.lines(canvas, theme.ZONE, False, self.camera.points(np.array(scene.stroke)), 8)
        self._bodies.player(scene.player, hidden=bool(scene.beliefs) and not any(b.seen for b in scene.beliefs))
        for flash in scene.flashes:
            self._bodies.flash(flash)
        pygame.transform.smoothscale(canvas, self.image.get_size(), self.image)
        light = pygame.transform.smoothscale(self._glow, self.image.get_size())
        self.image.blit(light, (0, 0), special_flags=pygame.BLEND_RGB_ADD)
        self._labels.draw(scene, living)
        if scene.hold_fire:
            theme.write(self.image, "HOLD FIRE", (self.camera.size / 2, 10), 22, theme.ACCENT, bold=True, align=0.5)
        return self.image

    def _ground(self, zones: tuple[Corners, ...]) -> pygame.Surface:
        """Return the floor with the painted zones on it, which are drawn when they change."""
        if zones != self._zones:
            self._zones, self._painted = zones, self._floor.copy()
            for corners in zones:
                draw_zone(self._painted, self.camera.points(np.array(corners)))
        return self._painted

    def _cones(self, scene: Scene) -> None:
        """Draw what the player and the selected NPC look at, soft, and cut off by walls."""
        viewers = [
            (n.at, n.heading, squad_colour(n.squad), 12) for n in scene.npcs if n.alive and n.id == scene.selected
        ]
        if scene.player.alive:
            viewers.append((scene.player.at, scene.player.heading, theme.PLAYER, 14))
        if not viewers:
            return
        fan = np.linspace(-HALF_ANGLE, HALF_ANGLE, RAYS)
        origin = np.array([v[0] for v in viewers])[:, None]  # n 1 2
        angle = np.array([v[1] for v in viewers])[:, None] + fan  # n r
        reach = ray_distances(np.broadcast_to(origin, (*angle.shape, 2)), angle, self._edges, CONE * 1.6)
        along = np.stack([np.cos(angle), np.sin(angle)], -1)  # n r 2
        for i, (at, _, colour, alpha) in enumerate(viewers):
            start = self.camera.point(at)
            wide = 1.6 if colour is theme.PLAYER else 1.0
            for share in (1.0, 0.75, 0.5):
                ends = origin[i] + along[i] * np.minimum(reach[i], CONE * wide * share)[:, None]
                rim = [(x / _LIGHT, y / _LIGHT) for x, y in (start, *self.camera.points(ends))]
                pygame.gfxdraw.filled_polygon(self._glow, rim, (*colour, alpha))

    def _shine(self, at: tuple[float, float], radius: float, colour: tuple[int, int, int, int]) -> None:
        """Add a disc of light; place and radius are those of the canvas."""
        x, y, r = (round(v / _LIGHT) for v in (*at, radius))
        pygame.gfxdraw.filled_circle(self._glow, x, y, r, colour)

    def _belief(self, belief: BeliefView, time: float) -> None:
        """Draw where a squad believes an unseen player: a ring that grows with its doubt."""
        if belief.seen or belief.sigma >= NO_IDEA:
            return
        doubt = belief.sigma / NO_IDEA
        colour = mix(squad_colour(belief.squad), theme.FLOOR, 0.7 * doubt)
        x, y = self.camera.point(belief.at)
        radius = self.camera.length(max(belief.sigma, 0.4))
        self._shine((x, y), radius, (*colour, round(26 * (1.0 - doubt))))
        turn = time * 0.35
        parts = max(12, round(radius / 9))
        for k in range(parts):
            a0, a1 = turn + 2 * math.pi * k / parts, turn + 2 * math.pi * (k + 0.55) / parts
            ends = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in (a0, a1)]
            pygame.draw.line(self._canvas, mix(theme.FLOOR, colour, 0.55), ends[0], ends[1], 2)
        for k in (0, 1):
            a = math.pi / 4 + k * math.pi / 2
            dx, dy = 9 * math.cos(a), 9 * math.sin(a)
            pygame.draw.line(self._canvas, mix(theme.FLOOR, colour, 0.8), (x - dx, y - dy), (x + dx, y + dy), 3)

    def _alternatives(self, npc: NpcView, selected: bool, any_selected: bool) -> None:
        """Draw the imagined plans that were not taken: coloured by J, the best brightest, drawn last."""
        thought = npc.thought
        if thought is None or npc.rung >= CALLBACK or thought.alternatives.shape[1] < 2:
            return
        strength = 1.0 if selected else 0.3 if any_selected else 0.62
        for share, line in self._fan(npc.id, thought).lines:
            colour = mix(theme.FLOOR, theme.ramp(share), strength * (1.0 - 0.5 * share))
            pygame.draw.lines(self._canvas, colour, False, line, 5 if selected else 3)
            if selected:
                pygame.draw.circle(self._canvas, colour, line[-1], 7)

    def _fan(self, npc: int, thought: Thought) -> _Fan:
        """Return an NPC's alternatives as lines; worked out once per decision."""
        fan = self._fans.get(npc)
        if fan is None or fan.thought is not thought:
            cost = thought.alternatives_objective
            finite = cost[np.isfinite(cost)]
            low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
            lines = []
            for i in np.argsort(-np.nan_to_num(cost, nan=np.inf)):
                share = (float(cost[i]) - low) / (high - low) if high > low and math.isfinite(cost[i]) else 1.0
                lines.append((round(share, 2), self.camera.points(thought.alternatives[i])))
            fan = self._fans[npc] = _Fan(thought, tuple(lines))
        return fan

    def _ghost(self, npc: NpcView, selected: bool) -> None:
        """Draw where this NPC imagines the player in 0.5, 1 and 1.5 s: more than once where it is undecided."""
        if npc.thought is None or npc.rung >= CALLBACK:
            return
        radius = self.camera.length(BODY)
        for ghost in reversed(ghosts(npc.thought)):
            places = self.camera.points(ghost.path)
            strength = (1.0 if selected else 0.8) * (0.35 + 0.65 * min(1.0, 1.5 * ghost.share))
            line = mix(theme.FLOOR, theme.PLAYER, 0.55 * strength)
            pygame.draw.lines(self._canvas, line, False, [self._player_at, *places], 3)
            for k, (x, y) in reversed(list(enumerate(places))):
                fade = strength * (0.95 - 0.22 * k)
                pygame.gfxdraw.filled_circle(
                    self._canvas, round(x), round(y), round(radius), (*theme.PLAYER, round(70 * fade))
                )
                pygame.draw.circle(self._canvas, mix(theme.FLOOR, theme.PLAYER, fade), (x, y), radius, 3)

    def _plan(self, npc: NpcView) -> None:
        """Draw the chosen plan: the executed chunk bright, the rest of the path behind it in the squad's colour."""
        colour = squad_colour(npc.squad)
        if npc.rung >= CALLBACK:
            return
        if npc.thought is not None and len(npc.thought.path):
            rest = self.camera.points(_ahead(npc))
            if len(rest) > 1:
                pygame.draw.lines(self._canvas, mix(theme.FLOOR, colour, 0.35), False, rest, 13)
                pygame.draw.lines(self._canvas, mix(theme.FLOOR, colour, 0.95), False, rest, 6)
                x, y = rest[-1]
                pygame.draw.circle(self._canvas, theme.FLOOR, (x, y), 10)
                pygame.draw.circle(self._canvas, mix(theme.FLOOR, colour, 0.95), (x, y), 10, 4)
        if len(npc.chunk):
            steps = self.camera.points(npc.chunk)
            if len(steps) > 1:
                pygame.draw.lines(self._canvas, mix(colour, theme.WHITE, 0.65), False, steps, 7)
            for x, y in steps[1:]:
                pygame.draw.circle(self._canvas, theme.WHITE, (x, y), 4)


def _spokesmen(living: list[NpcView], selected: int) -> list[NpcView]:
    """The NPCs whose idea of the player is shown: one a squad, the selected one and leaders first."""
    chosen: dict[int, NpcView] = {}
    for npc in sorted(living, key=lambda n: (n.id != selected, not n.leader)):
        if npc.thought is not None:
            chosen.setdefault(npc.squad, npc)
    return list(chosen.values())


def _ahead(npc: NpcView) -> NDArray[np.floating]:
    """The part of an imagined path that lies beyond the chunk in execution, joined to it."""
    assert npc.thought is not None
    path = npc.thought.path
    start = npc.chunk[-1] if len(npc.chunk) else np.array(npc.at)
    nearest = int(np.argmin(((path - start) ** 2).sum(-1)))
    return np.vstack([start, path[nearest + 1 :]])
