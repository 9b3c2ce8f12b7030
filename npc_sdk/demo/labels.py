"""Writes what belongs to a place over the finished picture of the arena, none over another."""

from __future__ import annotations

import pygame

from npc_sdk.demo import theme
from npc_sdk.demo.camera import Camera
from npc_sdk.demo.scene import BRAKE, CALLBACK, NpcView, Scene
from npc_sdk.demo.theme import Colour, mix, squad_colour

NO_IDEA = 11.5  # m; a squad that is less sure than this knows nothing that could be drawn
BARK_S = 1.8


class Labels:
    """A pen for one picture."""

    def __init__(self, image: pygame.Surface, camera: Camera) -> None:
        """Write on `image`, which has its final size."""
        self._image = image
        self._camera = camera

    def draw(self, scene: Scene, living: list[NpcView]) -> None:
        """Write what belongs to a place, none over another: bubbles first, then who is not led, then lost players."""
        taken: list[pygame.Rect] = []
        for npc in sorted(living, key=lambda n: n.bark_age):
            if npc.bark and npc.bark_age < BARK_S:
                self._bubble(npc.bark, self._camera.final(npc.at), squad_colour(npc.squad), npc.bark_age, taken)
        for npc in living:
            if npc.rung in (CALLBACK, BRAKE):
                self._badge("own script" if npc.rung == CALLBACK else "braking", self._camera.final(npc.at), taken)
        for belief in scene.beliefs:
            if not belief.seen and belief.sigma < NO_IDEA:
                x, y = self._camera.final(belief.at)
                theme.write(self._image, "?", (x, y - 12), 22, theme.PLAYER, bold=True, align=0.5)

    def _badge(self, text: str, at: tuple[float, float], taken: list[pygame.Rect]) -> None:
        """Say below an NPC who leads it."""
        image = theme.words(text, 17, theme.TEXT)
        plate = theme.rounded(image.get_width() + 16, 24, 10, theme.BADGE)
        box = self.room(plate, (at[0], at[1] + 27), taken, 1)
        if box is not None:
            self._image.blit(plate, box)
            self._image.blit(image, (box.left + 8, box.top + 3))

    def _bubble(self, text: str, at: tuple[float, float], colour: Colour, age: float, taken: list[pygame.Rect]) -> None:
        """Show a line for a moment: it rises a little as it comes and fades as it goes."""
        ease = 1.0 - (1.0 - min(1.0, age / 0.2)) ** 3
        fade = min(1.0, (BARK_S - age) / 0.35)
        image = theme.words(text, 19, theme.BACKGROUND)
        bubble = theme.rounded(image.get_width() + 20, 29, 12, mix(colour, theme.WHITE, 0.72)).copy()
        bubble.blit(image, (10, 5))
        bubble.set_alpha(round(255 * fade * ease))
        box = self.room(bubble, (at[0], at[1] - 26 - 6 * ease), taken, -1)
        if box is not None:
            self._image.blit(bubble, box)

    def room(
        self, plate: pygame.Surface, at: tuple[float, float], taken: list[pygame.Rect], way: int
    ) -> pygame.Rect | None:
        """Find room for a plate around `at`, or a little further up (-1) or down (1); None where there is none."""
        whole = self._image.get_rect().inflate(-4, -4)
        for step in range(3):
            box = plate.get_rect(center=(round(at[0]), round(at[1]) + way * step * plate.get_height())).clamp(whole)
            if box.collidelist(taken) < 0:
                taken.append(box)
                return box
        return None
