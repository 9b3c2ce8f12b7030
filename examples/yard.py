"""What examples 03 and 04 play: four guards, somebody who walks in a circle, and a shed. What one learns: what a game
declares, and what it tells every tick.

The entities are those of the arena, whose model the brain has. Other engines play the same: `bridge/clients`.
"""

import math

import numpy as np

from npc_bridge.client import Client
from npc_bridge.messages import EntityBlock
from npc_bridge.schema import Channel, EntityType, Field, Kinematics, Polygon, Schema

HZ, RADIUS = 30, 0.35
PI = float(np.float32(math.pi))

POSE = [Field(n, "m", -16, 16, role=n) for n in ("x", "y")] + [Field(n, "m/s", -12, 12, role=n) for n in ("vx", "vy")]
BODY = [*POSE, Field("heading", "rad", -PI, PI, role="heading"), Field("health", "hp", 0, 200, "health", default=100)]
SHOTS, ALIVE = Field("shots", "1", 0, 1e6, role="shots"), Field("alive", "1", 0, 1, role="alive", default=1)
NUMBERS = [("ammo", "1", 100), ("cooldown", "s", 10), ("grenades", "1", 10), ("shots", "1", 1e6), ("squad", "1", 63)]
HOME = [Field(n, "m", -16, 16, role=n) for n in ("home_x", "home_y")]
GUARD = [*BODY, *(Field(n, u, 0, top, role=n) for n, u, top in (*NUMBERS, ("leader", "1", 1))), *HOME, ALIVE]
SHED = ((-1, 7), (1, 7), (1, 9), (-1, 9))
IDS, HOMES = np.arange(101, 105, dtype=np.uint32), np.array([[-9, 1], [-9, -1], [9, 1], [9, -1]], np.float32)


def schema(coordinates: str) -> Schema:
    """What a game declares that counts in the coordinates of a preset."""
    return Schema(
        game="yard",
        tick_hz=HZ,
        coordinates=coordinates,
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
        kinematics=Kinematics(max_speed=4, max_acceleration=16, brake=16, radius=RADIUS, turn_rate=2 * math.pi),
        polygons=(Polygon("shed", "wall", SHED, opaque=True),),
    )


def stand(tick: int, ids: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """What the game does with guards that have no plan."""
    return np.zeros((len(ids), 6), np.float32)


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


def tell(tick: int, client: Client, rungs: np.ndarray, guards: np.ndarray) -> None:
    """Prints what is wrong, and what leads each guard and where it is."""
    told = [f"{rung} {x:.4f} {y:.4f}" for rung, (x, y) in zip(rungs, guards[:, :2].tolist(), strict=True)]
    print("tick", tick, type(client.fault).__name__ if client.fault else "fine", *told, flush=True)
