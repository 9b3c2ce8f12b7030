"""Draws what moves in the arena: NPCs, the player, grenades, shots and blasts."""

from __future__ import annotations

import math

import numpy as np
import pygame
import pygame.gfxdraw

from npc_sdk.demo import theme
from npc_sdk.demo.camera import Camera
from npc_sdk.demo.scene import BRAKE, CALLBACK, Flash, GrenadeView, NpcView, PlayerView
from npc_sdk.demo.theme import Colour, mix, squad_colour
from npc_sdk.envs.arena.config import Blast

BODY = 0.42  # m, a little more than they measure: they have to be seen at half the size
BLAST = Blast().radius
SHOT_S = 0.14
BLAST_S = 0.45


class Bodies:
    """A brush for one canvas."""

    def __init__(self, canvas: pygame.Surface, camera: Camera) -> None:
        """Draw on `canvas`, which is supersampled."""
        self._canvas = canvas
        self._camera = camera

    def npc(self, npc: NpcView, selected: bool, time: float) -> None:
        """Draw a body: its colour is the squad's, or grey while the brain does not lead it."""
        own = npc.rung in (CALLBACK, BRAKE)
        colour = theme.GREY if own else squad_colour(npc.squad)
        x, y = self._camera.point(npc.at)
        radius = self._camera.length(BODY)
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

    def player(self, player: PlayerView, hidden: bool) -> None:
        """Draw the player: dimmed while no squad sees it."""
        x, y = self._camera.point(player.at)
        radius = self._camera.length(BODY)
        colour = mix(theme.PLAYER, theme.FLOOR, 0.5 if hidden else 0.0) if player.alive else theme.FAINT
        pygame.gfxdraw.filled_circle(self._canvas, round(x), round(y), round(radius * 2.0), (*colour, 26))
        pygame.gfxdraw.filled_circle(self._canvas, round(x), round(y), round(radius * 1.5), (*colour, 34))
        self._barrel((x, y), player.heading, radius * 1.1, mix(colour, theme.WHITE, 0.4))
        pygame.draw.circle(self._canvas, theme.BACKGROUND, (x, y), radius + 4)
        pygame.draw.circle(self._canvas, mix(theme.BACKGROUND, colour, 0.35), (x, y), radius + 1)
        self._pie((x, y), radius + 1, player.health, colour)
        pygame.draw.circle(self._canvas, mix(colour, theme.WHITE, 0.75), (x, y), radius * 0.5)

    def fallen(self, npc: NpcView) -> None:
        x, y = self._camera.point(npc.at)
        r = self._camera.length(BODY) * 0.6
        colour = mix(theme.FLOOR, squad_colour(npc.squad), 0.3)
        pygame.draw.line(self._canvas, colour, (x - r, y - r), (x + r, y + r), 5)
        pygame.draw.line(self._canvas, colour, (x - r, y + r), (x + r, y - r), 5)

    def grenade(self, grenade: GrenadeView, time: float) -> None:
        x, y = self._camera.point(grenade.at)
        radius = self._camera.length(BLAST)
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

    def flash(self, flash: Flash) -> None:
        if flash.to is None:
            share = flash.age / BLAST_S
            if share < 1.0:
                x, y = self._camera.point(flash.at)
                radius = self._camera.length(BLAST) * (1.0 - (1.0 - share) ** 3)
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
            a, b = self._camera.point(flash.at), self._camera.point(flash.to)
            tail = (a[0] + (b[0] - a[0]) * 0.7 * share, a[1] + (b[1] - a[1]) * 0.7 * share)
            shade = mix(theme.FLOOR, mix(colour, theme.WHITE, 0.45), 1.0 - share)
            pygame.draw.line(self._canvas, shade, tail, b, 3)
            if flash.hit:
                pygame.draw.circle(self._canvas, mix(theme.FLOOR, theme.WHITE, 1.0 - share), b, 6 + 10 * share, 3)

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
