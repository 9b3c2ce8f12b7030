"""What can be set about the arena. Lengths in m, times in s, angles in rad."""

from __future__ import annotations

from dataclasses import dataclass, field

from npc_sdk.belief import Sight
from npc_sdk.errors import InputError

TICK_HZ = 30
DT = 1.0 / TICK_HZ
CHANNELS = ("move_x", "move_y", "aim", "fire", "throw", "reach")
MAX_REACH = 10.0  # m, of a throw
MAX_NPCS = 24


def ticks_in(seconds: float) -> int:
    """Returns the ticks nearest to a length of time, at least one."""
    return max(1, round(seconds * TICK_HZ))


@dataclass(frozen=True, slots=True)
class Body:
    """What physics allows a body; deliberately looser for NPCs than what the game declares."""

    max_speed: float  # m/s
    max_acceleration: float  # m/s^2
    turn_rate: float = 6.283185307179586  # rad/s


@dataclass(frozen=True, slots=True)
class Gun:
    """A hitscan weapon: the shot leaves along the heading with a normal error, so hits thin out with distance."""

    damage: float  # hp
    cooldown: float  # s between shots
    magazine: int
    reload: float  # s, starts when the magazine is empty
    spread: float  # rad, one standard deviation
    reach: float = 16.0  # m


@dataclass(frozen=True, slots=True)
class Blast:
    """A grenade: lobbed over walls, seen by others, and dangerous to both sides; walls shield from the blast."""

    fuse: float = 1.5  # s from the throw
    radius: float = 3.0  # m
    damage: float = 60.0  # hp at the centre, falling to 0 at the radius
    speed: float = 10.0  # m/s in flight
    cooldown: float = 4.0  # s between throws of one agent
    supply: int = 2  # grenades an agent can hold
    refill: float = 15.0  # s until a spent grenade is replaced


@dataclass(frozen=True, slots=True)
class ArenaConfig:
    """The rules of one fight."""

    npcs: int = 8
    squad_size: int = 4
    mortal: bool = True  # False: health stays above 0, damage is still counted
    max_ticks: int = 1800
    max_grenades: int = 8  # in the air or burning, per world
    health: float = 100.0  # hp at the start
    recovery: float = 4.0  # hp/s once unhurt for `recovery_delay`
    recovery_delay: float = 4.0  # s
    hold_fire: tuple[tuple[int, int], ...] = ()  # tick windows [first, last) in which the mode flag asks for silence
    npc_body: Body = Body(max_speed=6.0, max_acceleration=40.0)
    player_body: Body = Body(max_speed=5.0, max_acceleration=20.0)
    npc_gun: Gun = Gun(damage=5.0, cooldown=0.5, magazine=12, reload=2.0, spread=0.07)
    player_gun: Gun = Gun(damage=15.0, cooldown=0.3, magazine=20, reload=1.5, spread=0.04, reach=18.0)
    blast: Blast = field(default_factory=Blast)
    npc_sight: Sight = field(default_factory=Sight)
    player_sight: Sight = field(default_factory=lambda: Sight(reach=18.0))

    def __post_init__(self) -> None:
        for name, low, high in (("npcs", 4, MAX_NPCS), ("squad_size", 1, MAX_NPCS), ("max_grenades", 1, 64)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"arena config: {name}: expected {low}..{high}, got {getattr(self, name)}")
        if any(not 0 <= first < last for first, last in self.hold_fire):
            raise InputError(f"arena config: hold_fire: expected windows (first, last) of ticks, got {self.hold_fire}")

    @property
    def players(self) -> int:
        """Players per world."""
        return 1

    @property
    def agents(self) -> int:
        """Bodies per world, players first."""
        return self.players + self.npcs

    @property
    def squads(self) -> int:
        """Squads per world; the last one may be smaller."""
        return -(-self.npcs // self.squad_size)
