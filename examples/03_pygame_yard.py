"""A yard in pygame with four guards. What one learns: the game loop of a client, and pixels as coordinates.

Start a brain first: `npc-sdk serve`. Arguments: its address, and for how many seconds to play. The entities are those
of the arena, whose model the brain has. Without a brain the guards stand. Turn a weight while it runs:
examples/01_designer_script.py shows how. `tests/engines` plays this scene in every engine.
"""

import math
import sys

import numpy as np
import pygame

from npc_bridge.client import Client
from npc_bridge.coordinates import preset
from npc_bridge.messages import RUNG_BRAKE, RUNG_CALLBACK, RUNG_PLAN, RUNG_TAIL, EntityBlock
from npc_bridge.schema import Channel, EntityType, Field, Kinematics, Polygon, Schema

HZ, SIDE, METRE = 30, 768, 32.0  # pixels
PI = float(np.float32(math.pi))
SCREEN = preset("pygame", METRE)
COLOURS = {RUNG_PLAN: "#59d98e", RUNG_TAIL: "#d9c659", RUNG_CALLBACK: "#8e9bb0", RUNG_BRAKE: "#d9595c"}

POSE = [Field(n, "m", -16, 16, role=n) for n in ("x", "y")] + [Field(n, "m/s", -12, 12, role=n) for n in ("vx", "vy")]
BODY = [*POSE, Field("heading", "rad", -PI, PI, role="heading"), Field("health", "hp", 0, 200, "health", default=100)]
SHOTS, ALIVE = Field("shots", "1", 0, 1e6, role="shots"), Field("alive", "1", 0, 1, role="alive", default=1)
NUMBERS = [("ammo", "1", 100), ("cooldown", "s", 10), ("grenades", "1", 10), ("shots", "1", 1e6), ("squad", "1", 63)]
HOME = [Field(n, "m", -16, 16, role=n) for n in ("home_x", "home_y")]
GUARD = [*BODY, *(Field(n, u, 0, top, role=n) for n, u, top in (*NUMBERS, ("leader", "1", 1))), *HOME, ALIVE]
SCHEMA = Schema(
    game="yard",
    tick_hz=HZ,
    coordinates="pygame",
    bounds=(-12, -12, 12, 12),
    entities=(
        EntityType("player", "player", 1, (*BODY, SHOTS, ALIVE)),
        EntityType("npc", "npc", 4, tuple(GUARD)),
        EntityType("grenade", "projectile", 1, (*POSE, Field("fuse", "s", 0, 10, role="fuse"))),
        EntityType("mode", "mode", 1, (Field("hold_fire", "1", 0, 1, role="hold_fire"),)),
    ),
    channels=(
        Channel("move_x", "m/s", -6, 6),
        Channel("move_y", "m/s", -6, 6),
        Channel("aim", "rad", -PI, PI, hold=True),
        Channel("fire", "1", 0, 1, kind="discrete", count=2),
        Channel("throw", "1", 0, 1, kind="discrete", count=2),
        Channel("reach", "m", 0, 10),
    ),
    kinematics=Kinematics(max_speed=4, max_acceleration=16, brake=16, radius=0.35, turn_rate=2 * math.pi),
    polygons=(Polygon("shed", "wall", ((-1, 7), (1, 7), (1, 9), (-1, 9)), opaque=True),),
)
IDS, HOMES = np.arange(101, 105, dtype=np.uint32), np.array([[-9, 1], [-9, -1], [9, 1], [9, -1]], np.float32)


def stand(tick: int, ids: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """What the game does with guards that have no plan."""
    return np.zeros((len(ids), len(SCHEMA.channels)), np.float32)


def walk(tick: int) -> np.ndarray:
    """The player at a tick, x y vx vy: 1.5 m/s on a circle of 3 m."""
    angle = 0.5 * tick / HZ
    return np.array([3 * math.cos(angle), 3 * math.sin(angle), -1.5 * math.sin(angle), 1.5 * math.cos(angle)])


def blocks(player: np.ndarray, guards: np.ndarray, heading: np.ndarray) -> dict[str, EntityBlock]:
    """The rows of a snapshot."""
    facing = math.atan2(player[3], player[2])
    rows = np.zeros((4, len(GUARD)), np.float32)
    rows[:, :4], rows[:, 4], rows[:, 5], rows[0, 11], rows[:, 12:14], rows[:, 14] = guards, heading, 100, 1, HOMES, 1
    return {
        "player": EntityBlock(np.array([1], np.uint32), np.float32([[*player, facing, 100, 0, 1]])),
        "npc": EntityBlock(IDS, rows),
        "mode": EntityBlock(np.array([900], np.uint32), np.ones((1, 1), np.float32)),
    }


def draw(screen: pygame.Surface, player: np.ndarray, guards: np.ndarray, rungs: np.ndarray, fault: str) -> None:
    """Shows where everybody is; guards in the colour of the rung they are on."""
    middle = np.array([SIDE, SIDE]) / 2
    screen.fill("#1c2128")
    shed = middle + SCREEN.from_wire(np.array(SCHEMA.polygons[0].vertices))
    pygame.draw.polygon(screen, "#39424e", shed.tolist())
    pygame.draw.circle(screen, "#f0f3f6", middle + SCREEN.from_wire(player[:2]), 0.35 * METRE)
    for place, rung in zip(guards[:, :2], rungs.tolist(), strict=True):
        pygame.draw.circle(screen, COLOURS[rung], middle + SCREEN.from_wire(place), 0.35 * METRE)
    if fault:
        screen.blit(pygame.font.Font(None, 22).render(fault, True, "#f0f3f6"), (10, 10))
    pygame.display.flip()


def play(endpoint: str, seconds: float) -> None:
    pygame.display.init()
    pygame.font.init()
    screen, clock = pygame.display.set_mode((SIDE, SIDE)), pygame.time.Clock()
    guards, heading = np.zeros((4, 4), np.float32), np.zeros(4, np.float32)
    guards[:, :2] = HOMES
    with Client(endpoint, SCHEMA, fallback=stand) as client:
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
            told = [f"{rung} {x:.4f} {y:.4f}" for rung, (x, y) in zip(step.rung, guards[:, :2].tolist(), strict=True)]
            print("tick", tick, type(fault).__name__ if fault else "fine", *told, flush=True)
            clock.tick(HZ)
    print("counters", client.counters)


if __name__ == "__main__":
    play(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5757", float(sys.argv[2]) if len(sys.argv) > 2 else 30)
