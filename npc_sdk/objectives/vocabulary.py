"""The names an expression may use, with unit and meaning. The tensors behind them are in `quantities`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quantity:
    """A named number per candidate plan and model step."""

    name: str
    unit: str
    doc: str


QUANTITIES: dict[str, Quantity] = {
    q.name: q
    for q in (
        Quantity("self.x", "m", "east of the arena's centre"),
        Quantity("self.y", "m", "north of the arena's centre"),
        Quantity("self.vx", "m/s", "eastward velocity"),
        Quantity("self.vy", "m/s", "northward velocity"),
        Quantity("self.speed", "m/s", "speed over ground"),
        Quantity("self.acceleration", "m/s^2", "size of the change of velocity per second"),
        Quantity("self.wall", "m", "distance of the body's centre to the nearest wall, negative inside one"),
        Quantity("self.health", "1", "share of full health left at the time of the decision"),
        Quantity("self.ammo", "1", "share of full ammunition left at the time of the decision"),
        Quantity("player.x", "m", "where the squad believes the player to be"),
        Quantity("player.y", "m", "where the squad believes the player to be"),
        Quantity("player.vx", "m/s", "believed eastward velocity of the player"),
        Quantity("player.vy", "m/s", "believed northward velocity of the player"),
        Quantity("player.speed", "m/s", "believed speed of the player"),
        Quantity("player.spread", "m", "one sigma of the believed position"),
        Quantity("player.distance", "m", "straight line to the believed player"),
        Quantity(
            "player.bearing_angle", "rad", "angle between where the player faces and this NPC, 0 in front, pi behind"
        ),
        Quantity("player.path", "m", "walking distance to the believed player"),
        Quantity("player.los", "1", "1 when nothing opaque is between this NPC and the believed player, soft at edges"),
        Quantity("player.sees_me", "1", "1 when the player's view cone and reach hold this NPC in line of sight"),
        Quantity("player.unseen", "1", "1 while nobody in the squad sees the player"),
        Quantity("player.age", "s", "time since the squad last saw the player"),
        Quantity("player.cleared", "1", "1 when the place of the last sighting is in view and empty"),
        Quantity("search.path", "m", "walking distance to the place this NPC would search next"),
        Quantity("leader.x", "m", "the squad leader's committed position (own position without a leader)"),
        Quantity("leader.y", "m", "the squad leader's committed position (own position without a leader)"),
        Quantity("leader.distance", "m", "straight line to the squad's leader, 0 for the leader itself"),
        Quantity("home.distance", "m", "straight line to where this NPC belongs"),
        Quantity("home.path", "m", "walking distance to where this NPC belongs"),
        Quantity("ally.distance", "m", "straight line to the nearest squad mate's committed position, 24 when alone"),
        Quantity("ally.bearing_gap", "rad", "angle, seen from the player, to the nearest squad mate; pi when alone"),
        Quantity("squad.distance", "m", "straight line to the middle of the squad mates, 0 when alone"),
        Quantity("cover.distance", "m", "walking distance to the nearest place hidden from the believed player"),
        Quantity("danger", "1", "0..1: how deep in the blast of a known grenade, and how soon"),
        Quantity("plan.change", "m", "distance from where the previous plan would be at this time, 0 without one"),
        Quantity("event.hit_taken", "1", "forecast probability of being hit within the step"),
        Quantity("event.hit_dealt", "1", "forecast probability of hitting the player within the step"),
        Quantity("event.player_fires", "1", "forecast probability that the player fires within the step"),
        Quantity("time", "s", "since the decision"),
    )
}

FORESEEN = frozenset(("self.acceleration", "plan.change", "time", *(n for n in QUANTITIES if n.startswith("event."))))
"""Quantities of what a plan leads to alone: they say nothing about the present, so no share of time can be measured."""
