"""Draws the arena: a static layer once, the moving things each frame, all at twice the size and then scaled down."""

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
from npc_sdk.demo.ghosts import ghosts
from npc_sdk.demo.paint import Corners
from npc_sdk.demo.scene import BRAKE, CALLBACK, BeliefView, Flash, GrenadeView, NpcView, PlayerView, Scene, Thought
from npc_sdk.demo.theme import Colour, mix, squad_colour
from npc_sdk.envs.arena.config import Blast
from npc_sdk.geometry import ray_distances

SUPER = 2  # supersampling: everything is drawn this much larger
GLOW = 2  # large soft shapes are drawn this much smaller and added as light: cheap, and their edges are soft
BODY = 0.42  # m, a little more than they measure: they have to be seen at half the size
BLAST = Blast().radius
CONE = 5.0  # m of the view cone that is drawn
HALF_ANGLE = math.pi / 3
RAYS = 81  # of a view cone: fewer would let it lap over the edges of walls
NO_IDEA = 11.5  # m; a squad that is less sure than this knows nothing that could be drawn
SHOT_S = 0.14
BLAST_S = 0.45
BARK_S = 1.8
Points = list[tuple[float, float]]
_LIGHT = SUPER * GLOW  # pixels of the canvas per pixel of light


@dataclass(frozen=True, slots=True)
class _Fan:
    """The alternatives of one decision, ready to draw: how bad each is (0..1) and its line, the worst first."""

    thought: Thought
    lines: tuple[tuple[float, Points], ...]


class Camera:
    """Maps metres (y up) to pixels of the supersampled arena (y down)."""

    def __init__(self, bounds: tuple[float, float, float, float], size: int) -> None:
        """Fit `bounds` into a square of `size` px with a small margin."""
        x0, y0, x1, y1 = bounds
        self.size = size
        margin = 0.35
        self.scale = size / (max(x1 - x0, y1 - y0) + 2 * margin)  # px a metre, before supersampling
        self._left, self._top = x0 - margin, y1 + margin

    def point(self, at: tuple[float, float]) -> tuple[float, float]:
        """Metres to drawn pixels."""
        k = self.scale * SUPER
        return (at[0] - self._left) * k, (self._top - at[1]) * k

    def points(self, path: NDArray[np.floating]) -> Points:
        """Metres to drawn pixels, many at once."""
        k = self.scale * SUPER
        return [((x - self._left) * k, (self._top - y) * k) for x, y in path.tolist()]

    def length(self, metres: float) -> float:
        """Metres to drawn pixels."""
        return metres * self.scale * SUPER

    def final(self, at: tuple[float, float]) -> tuple[float, float]:
        """Metres to pixels of the finished picture."""
        x, y = self.point(at)
        return x / SUPER, y / SUPER

    def world(self, pixel: tuple[float, float]) -> tuple[float, float]:
        """Pixels of the finished picture to metres."""
        return pixel[0] / self.scale + self._left, self._top - pixel[1] / self.scale


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
        self._floor = self._static(polygons, bounds)
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
                self._fallen(npc)
        for npc in living:
            self._plan(npc)
        for grenade in scene.grenades:
            self._grenade(grenade, scene.time)
        for npc in living:
            self._npc(npc, npc.id == scene.selected, scene.time)
        if len(scene.stroke) > 1:
            pygame.draw.lines(canvas, theme.ZONE, False, self.camera.points(np.array(scene.stroke)), 8)
        self._player(scene.player, hidden=bool(scene.beliefs) and not any(b.seen for b in scene.beliefs))
        for flash in scene.flashes:
            self._flash(flash)
        pygame.transform.smoothscale(canvas, self.image.get_size(), self.image)
        light = pygame.transform.smoothscale(self._glow, self.image.get_size())
        self.image.blit(light, (0, 0), special_flags=pygame.BLEND_RGB_ADD)
        self._labels(scene, living)
        if scene.hold_fire:
            theme.write(self.image, "HOLD FIRE", (self.camera.size / 2, 10), 22, theme.ACCENT, bold=True, align=0.5)
        return self.image

    def _ground(self, zones: tuple[Corners, ...]) -> pygame.Surface:
        """Return the floor with the painted zones on it, which are drawn when they change."""
        if zones != self._zones:
            self._zones, self._painted = zones, self._floor.copy()
            for corners in zones:
                self._zone(self._painted, self.camera.points(np.array(corners)))
        return self._painted

    def _static(self, polygons: Sequence[Polygon], bounds: tuple[float, float, float, float]) -> pygame.Surface:
        size = self.camera.size * SUPER
        layer = pygame.Surface((size, size))
        layer.fill(theme.BACKGROUND)
        x0, y0, x1, y1 = bounds
        left, top = self.camera.point((x0, y1))
        side = self.camera.length(x1 - x0), self.camera.length(y1 - y0)
        layer.blit(theme.rounded(round(side[0]), round(side[1]), 10, theme.FLOOR, theme.CARD_EDGE), (left, top))
        for metres in np.arange(x0 + 2, x1, 2):
            x, _ = self.camera.point((float(metres), 0.0))
            pygame.draw.line(layer, theme.GRID, (x, top + 2), (x, top + side[1] - 3), 1)
        for metres in np.arange(y0 + 2, y1, 2):
            _, y = self.camera.point((0.0, float(metres)))
            pygame.draw.line(layer, theme.GRID, (left + 2, y), (left + side[0] - 3, y), 1)
        walls = [np.array(p.vertices) for p in polygons if p.kind == "wall"]
        self._shadows(layer, walls)
        for wall in walls:
            corners = self.camera.points(wall)
            pygame.draw.polygon(layer, theme.WALL, corners)
            pygame.draw.polygon(layer, theme.WALL_EDGE, corners, 2)
        return layer

    def _shadows(self, layer: pygame.Surface, walls: list[NDArray[np.float64]]) -> None:
        """Lay a soft shadow to the lower right of every wall: drawn small and scaled up, so its edge is blurred."""
        size, coarse = layer.get_width(), layer.get_width() // 10
        shade = pygame.Surface((coarse, coarse), pygame.SRCALPHA)
        shade.fill((*theme.SHADOW, 0))
        for wall in walls:
            corners = [(x / 10 + 0.9, y / 10 + 1.1) for x, y in self.camera.points(wall)]
            pygame.draw.polygon(shade, (*theme.SHADOW, 190), corners)
        layer.blit(pygame.transform.smoothscale(shade, (size, size)), (0, 0))

    def _zone(self, layer: pygame.Surface, corners: Points) -> None:
        """Hatch a forbidden zone."""
        mask = pygame.Surface(layer.get_size(), pygame.SRCALPHA)
        pygame.draw.polygon(mask, (*theme.ZONE, 26), corners)
        xs, ys = [c[0] for c in corners], [c[1] for c in corners]
        hatch = pygame.Surface(layer.get_size(), pygame.SRCALPHA)
        tall = max(ys) - min(ys)
        for x in range(int(min(xs) - tall), int(max(xs)), 18):
            pygame.draw.line(hatch, (*theme.ZONE, 110), (x, max(ys)), (x + tall, min(ys)), 3)
        stencil = pygame.Surface(layer.get_size(), pygame.SRCALPHA)
        pygame.draw.polygon(stencil, (255, 255, 255, 255), corners)
        hatch.blit(stencil, (0, 0), special_flags=pygame.BLEND_RGBA_MULT)
        layer.blit(mask, (0, 0))
        layer.blit(hatch, (0, 0))
        pygame.draw.polygon(layer, theme.ZONE, corners, 3)

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

    def _npc(self, npc: NpcView, selected: bool, time: float) -> None:
        """Draw a body: its colour is the squad's, or grey while the brain does not lead it."""
        own = npc.rung in (CALLBACK, BRAKE)
        colour = theme.GREY if own else squad_colour(npc.squad)
        x, y = self.camera.point(npc.at)
        radius = self.camera.length(BODY)
        pygame.gfxdraw.filled_circle(self._canvas, round(x + 3), round(y + 4), round(radius + 1), (*theme.SHADOW, 120))
        self._barrel((x, y), npc.heading, radius, mix(colour, theme.WHITE, 0.25))
        if npc.thought is not None and npc.thought.exposed and not own:
            pulse = 0.5 + 0.5 * math.sin(time * 9.0)
            pygame.draw.circle(self._canvas, mix(theme.FLOOR, theme.PLAYER, 0.45 + 0.4 * pulse), (x, y), radius + 7, 3)
        pygame.draw.circle(self._canvas, theme.BACKGROUND, (x, y), radius + 3)
        pygame.draw.circle(self._canvas, mix(theme.BACKGROUND, colour, 0.42), (x, y), radius)
        self._pie((x, y), radius, npc.health, colour)
        pygame.draw.circle(self._canvas, theme.BACKGROUND, (x, y), radius * 0.52)
        if npc.leader:
            self._star((x, y), radius * 0.46, mix(colour, theme.WHITE, 0.5))
        else:
            pygame.draw.circle(self._canvas, mix(colour, theme.WHITE, 0.15), (x, y), radius * 0.2)
        if selected:
            for k in range(8):
                a0, a1 = time * 1.4 + k * math.pi / 4, time * 1.4 + k * math.pi / 4 + 0.45
                arc = [
                    (x + (radius + 13) * math.cos(a), y + (radius + 13) * math.sin(a)) for a in np.linspace(a0, a1, 4)
                ]
                pygame.draw.lines(self._canvas, theme.WHITE, False, arc, 4)

    def _player(self, player: PlayerView, hidden: bool) -> None:
        """Draw the player: dimmed while no squad sees it."""
        x, y = self.camera.point(player.at)
        radius = self.camera.length(BODY)
        colour = mix(theme.PLAYER, theme.FLOOR, 0.5 if hidden else 0.0) if player.alive else theme.FAINT
        pygame.gfxdraw.filled_circle(self._canvas, round(x), round(y), round(radius * 2.0), (*colour, 26))
        pygame.gfxdraw.filled_circle(self._canvas, round(x), round(y), round(radius * 1.5), (*colour, 34))
        self._barrel((x, y), player.heading, radius * 1.1, mix(colour, theme.WHITE, 0.4))
        pygame.draw.circle(self._canvas, theme.BACKGROUND, (x, y), radius + 4)
        pygame.draw.circle(self._canvas, mix(theme.BACKGROUND, colour, 0.35), (x, y), radius + 1)
        self._pie((x, y), radius + 1, player.health, colour)
        pygame.draw.circle(self._canvas, mix(colour, theme.WHITE, 0.75), (x, y), radius * 0.5)

    def _barrel(self, at: tuple[float, float], heading: float, radius: float, colour: Colour) -> None:
        c, s = math.cos(heading), -math.sin(heading)
        reach, half = radius * 1.75, radius * 0.17
        corners = [
            (at[0] + c * a - s * b, at[1] + s * a + c * b)
            for a, b in ((0.0, half), (reach, half), (reach, -half), (0.0, -half))
        ]
        pygame.draw.polygon(self._canvas, colour, corners)

    def _pie(self, at: tuple[float, float], radius: float, share: float, colour: Colour) -> None:
        """Fill the share of a disc that is left of somebody's health, clockwise from the top."""
        if share >= 0.999:
            pygame.draw.circle(self._canvas, colour, at, radius)
            return
        if share <= 0.01:
            return
        sweep = np.linspace(0.0, 2 * math.pi * share, max(3, round(28 * share)))
        rim = [(at[0] + radius * math.sin(a), at[1] - radius * math.cos(a)) for a in sweep]
        pygame.draw.polygon(self._canvas, colour, [at, *rim])

    def _star(self, at: tuple[float, float], radius: float, colour: Colour) -> None:
        tips = []
        for k in range(10):
            r = radius if k % 2 == 0 else radius * 0.45
            tips.append((at[0] + r * math.sin(k * math.pi / 5), at[1] - r * math.cos(k * math.pi / 5)))
        pygame.draw.polygon(self._canvas, colour, tips)

    def _fallen(self, npc: NpcView) -> None:
        x, y = self.camera.point(npc.at)
        r = self.camera.length(BODY) * 0.6
        colour = mix(theme.FLOOR, squad_colour(npc.squad), 0.3)
        pygame.draw.line(self._canvas, colour, (x - r, y - r), (x + r, y + r), 5)
        pygame.draw.line(self._canvas, colour, (x - r, y + r), (x + r, y - r), 5)

    def _grenade(self, grenade: GrenadeView, time: float) -> None:
        x, y = self.camera.point(grenade.at)
        radius = self.camera.length(BLAST)
        near = 1.0 - min(1.0, grenade.fuse / 1.5)
        pygame.gfxdraw.filled_circle(
            self._canvas, round(x), round(y), round(radius), (*theme.BAD, round(16 + 30 * near))
        )
        parts = 28
        for k in range(parts):
            a0, a1 = 2 * math.pi * k / parts - time, 2 * math.pi * (k + 0.5) / parts - time
            ends = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in (a0, a1)]
            pygame.draw.line(self._canvas, mix(theme.FLOOR, theme.BAD, 0.7), ends[0], ends[1], 2)
        blink = 0.5 + 0.5 * math.sin(time * (8 + 22 * near))
        pygame.draw.circle(self._canvas, theme.BACKGROUND, (x, y), 9)
        pygame.draw.circle(self._canvas, mix(theme.BAD, theme.WHITE, blink), (x, y), 6)

    def _flash(self, flash: Flash) -> None:
        if flash.to is None:
            share = flash.age / BLAST_S
            if share < 1.0:
                x, y = self.camera.point(flash.at)
                radius = self.camera.length(BLAST) * (1.0 - (1.0 - share) ** 3)
                fill = (*mix(theme.ACCENT, theme.WHITE, 0.4), round(150 * (1.0 - share) ** 2))
                pygame.gfxdraw.filled_circle(self._canvas, round(x), round(y), round(radius), fill)
                pygame.draw.circle(
                    self._canvas,
                    mix(theme.FLOOR, theme.ACCENT, 1.0 - share),
                    (x, y),
                    radius,
                    max(2, round(10 * (1.0 - share))),
                )
            return
        share = flash.age / SHOT_S
        if share < 1.0:
            colour = theme.PLAYER if flash.squad < 0 else squad_colour(flash.squad)
            a, b = self.camera.point(flash.at), self.camera.point(flash.to)
            tail = (a[0] + (b[0] - a[0]) * 0.7 * share, a[1] + (b[1] - a[1]) * 0.7 * share)
            shade = mix(theme.FLOOR, mix(colour, theme.WHITE, 0.45), 1.0 - share)
            pygame.draw.line(self._canvas, shade, tail, b, 3)
            if flash.hit:
                pygame.draw.circle(self._canvas, mix(theme.FLOOR, theme.WHITE, 1.0 - share), b, 6 + 10 * share, 3)

    def _labels(self, scene: Scene, living: list[NpcView]) -> None:
        """Write what belongs to a place, none over another: bubbles first, then who is not led, then lost players."""
        taken: list[pygame.Rect] = []
        for npc in sorted(living, key=lambda n: n.bark_age):
            if npc.bark and npc.bark_age < BARK_S:
                self._bubble(npc.bark, self.camera.final(npc.at), squad_colour(npc.squad), npc.bark_age, taken)
        for npc in living:
            if npc.rung in (CALLBACK, BRAKE):
                self._badge("own script" if npc.rung == CALLBACK else "braking", self.camera.final(npc.at), taken)
        for belief in scene.beliefs:
            if not belief.seen and belief.sigma < NO_IDEA:
                x, y = self.camera.final(belief.at)
                theme.write(self.image, "?", (x, y - 12), 22, theme.PLAYER, bold=True, align=0.5)

    def _badge(self, text: str, at: tuple[float, float], taken: list[pygame.Rect]) -> None:
        """Say below an NPC who leads it."""
        image = theme.words(text, 17, theme.TEXT)
        plate = theme.rounded(image.get_width() + 16, 24, 10, theme.BADGE)
        box = self._free(plate, (at[0], at[1] + 27), taken, 1)
        if box is not None:
            self.image.blit(plate, box)
            self.image.blit(image, (box.left + 8, box.top + 3))

    def _bubble(self, text: str, at: tuple[float, float], colour: Colour, age: float, taken: list[pygame.Rect]) -> None:
        """Show a line for a moment: it rises a little as it comes and fades as it goes."""
        ease = 1.0 - (1.0 - min(1.0, age / 0.2)) ** 3
        fade = min(1.0, (BARK_S - age) / 0.35)
        image = theme.words(text, 19, theme.BACKGROUND)
        bubble = theme.rounded(image.get_width() + 20, 29, 12, mix(colour, theme.WHITE, 0.72)).copy()
        bubble.blit(image, (10, 5))
        bubble.set_alpha(round(255 * fade * ease))
        box = self._free(bubble, (at[0], at[1] - 26 - 6 * ease), taken, -1)
        if box is not None:
            self.image.blit(bubble, box)

    def _free(
        self, plate: pygame.Surface, at: tuple[float, float], taken: list[pygame.Rect], way: int
    ) -> pygame.Rect | None:
        """Find room for a plate around `at`, or a little further up (-1) or down (1); None where there is none."""
        whole = self.image.get_rect().inflate(-4, -4)
        for step in range(3):
            box = plate.get_rect(center=(round(at[0]), round(at[1]) + way * step * plate.get_height())).clamp(whole)
            if box.collidelist(taken) < 0:
                taken.append(box)
                return box
        return None


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
