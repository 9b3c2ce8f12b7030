"""Where everything stands in the demo's 1280 x 720 pixels. Type is set to be read at half that size."""

from __future__ import annotations

import pygame

SIZE = (1280, 720)
ARENA = pygame.Rect(8, 8, 640, 640)
HEADLINE = pygame.Rect(664, 8, 608, 144)
WEIGHTS = pygame.Rect(664, 160, 608, 292)
PERSONAS = pygame.Rect(664, 460, 608, 54)
WHY = pygame.Rect(664, 522, 608, 126)
STRIP = pygame.Rect(0, 656, 1280, 64)
