"""A whole game in sixty lines: two NPCs hunt a dot. What one learns: declare a schema once, then push, poll, step.

Start a brain first: `npc-sdk serve --model constant-velocity`. No brain? The NPCs run their own script meanwhile.
"""

import sys
import time

import numpy as np

from npc_bridge.client import Client
from npc_bridge.messages import EntityBlock
from npc_bridge.schema import Channel, EntityType, Field, Kinematics, Polygon, Schema

POSE = [Field(n, "m" if n in "xy" else "m/s", -20, 20, role=n) for n in ("x", "y", "vx", "vy")]
HEADING = Field("heading", "rad", -3.2, 3.2, role="heading")
SCHEMA = Schema(
    game="dots",
    tick_hz=30,
    coordinates="wire",
    bounds=(-12, -12, 12, 12),
    entities=(
        EntityType("player", "player", 1, (*POSE, HEADING)),
        EntityType("npc", "npc", 2, (*POSE, HEADING, Field("squad", "1", 0, 63, role="squad"))),
    ),
    channels=(Channel("move_x", "m/s", -4, 4), Channel("move_y", "m/s", -4, 4)),
    kinematics=Kinematics(max_speed=4, max_acceleration=16, brake=16, radius=0.4, turn_rate=6),
    polygons=(Polygon("house", "wall", ((-2, -2), (2, -2), (2, 2), (-2, 2)), opaque=True),),
)
IDS = np.array([101, 102], np.uint32)


def own_script(tick: int, ids: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """What the game does with NPCs when no brain is there: stand."""
    return np.zeros((len(ids), 2), np.float32)


def play(endpoint: str, ticks: int) -> None:
    player = np.array([[8.0, 0.0, 0.0, 0.0]])
    npcs = np.array([[-8.0, 3.0, 0.0, 0.0], [-8.0, -3.0, 0.0, 0.0]])
    with Client(endpoint, SCHEMA, fallback=own_script) as client:
        for tick in range(ticks):
            client.poll()
            step = client.step(tick, IDS, npcs)
            npcs = np.concatenate([npcs[:, :2] + step.commands[:, :2] / 30, step.commands[:, :2]], 1)
            facing = np.arctan2(*(player[:, :2] - npcs[:, :2]).T[::-1])[:, None]
            blocks = {
                "player": EntityBlock(np.array([1], np.uint32), np.float32(np.c_[player, [[np.pi]]])),
                "npc": EntityBlock(IDS, np.float32(np.c_[npcs, facing, [[0], [0]]])),
            }
            client.push(tick + 1, blocks)
            if tick % 30 == 0:
                near = np.hypot(*(npcs - player)[:, :2].T).min()
                print(f"{tick / 30:3.0f} s  rungs {step.rung.tolist()}  nearest NPC {near:4.1f} m", client.fault or "")
            time.sleep(1 / 30)


if __name__ == "__main__":
    play(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5757", int(sys.argv[2]) if len(sys.argv) > 2 else 300)
