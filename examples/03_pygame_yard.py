"""A yard in pygame with four guards. What one learns: the game loop of a client, and pixels as coordinates.

Start a brain first: `npc-sdk serve`. Arguments: its address, and for how many seconds to play. What is declared and
told is in examples/yard.py. Without a brain the guards stand. Turn a weight while it runs:
examples/01_designer_script.py shows how. `tests/engines` plays this scene in every engine.
"""

import sys

import numpy as np
import pygame
from yard import HOMES, HZ, IDS, RADIUS, SHED, blocks, schema, stand, tell, walk

from npc_bridge.client import Client
from npc_bridge.coordinates import preset
from npc_bridge.messages import RUNG_BRAKE, RUNG_CALLBACK, RUNG_PLAN, RUNG_TAIL

SIDE, METRE = 768, 32.0  # pixels
SCREEN = preset("pygame", METRE)
COLOURS = {RUNG_PLAN: "#59d98e", RUNG_TAIL: "#d9c659", RUNG_CALLBACK: "#8e9bb0", RUNG_BRAKE: "#d9595c"}


def draw(screen: pygame.Surface, player: np.ndarray, guards: np.ndarray, rungs: np.ndarray, fault: str) -> None:
    """Shows where everybody is; guards in the colour of the rung they are on."""
    middle = np.array([SIDE, SIDE]) / 2
    screen.fill("#1c2128")
    shed = middle + SCREEN.from_wire(np.array(SHED))
    pygame.draw.polygon(screen, "#39424e", shed.tolist())
    pygame.draw.circle(screen, "#f0f3f6", middle + SCREEN.from_wire(player[:2]), RADIUS * METRE)
    for place, rung in zip(guards[:, :2], rungs.tolist(), strict=True):
        pygame.draw.circle(screen, COLOURS[rung], middle + SCREEN.from_wire(place), RADIUS * METRE)
    if fault:
        screen.blit(pygame.font.Font(None, 22).render(fault, True, "#f0f3f6"), (10, 10))
    pygame.display.flip()


def play(endpoint: str, seconds: float) -> None:
    pygame.display.init()
    pygame.font.init()
    screen, clock = pygame.display.set_mode((SIDE, SIDE)), pygame.time.Clock()
    guards, heading = np.zeros((4, 4), np.float32), np.zeros(4, np.float32)
    guards[:, :2] = HOMES
    with Client(endpoint, schema("pygame"), fallback=stand) as client:
        for tick in range(round(seconds * HZ)):
            if any(event.type == pygame.QUIT for event in pygame.event.get()):
                break
            client.poll()
            step = client.step(tick, IDS, guards)
            guards[:, 2:] = step.commands[:, :2]
            guards[:, :2] += guards[:, 2:] / HZ
            heading = np.where(step.rung <= RUNG_TAIL, step.commands[:, 2], heading)
            player = walk(tick)
            client.push(tick + 1, blocks(player, guards, heading))
            fault = client.fault
            draw(screen, player, guards, step.rung, f"{fault.text}: {fault.remedy}" if fault else "")
            tell(tick, client, step.rung, guards)
            clock.tick(HZ)
    print("counters", client.counters)


if __name__ == "__main__":
    play(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5757", float(sys.argv[2]) if len(sys.argv) > 2 else 30)
