"""The last word before the wire: certifies every step of every NPC, whatever was proposed. NumPy float64 only."""

from __future__ import annotations

from npc_sdk.shield.attacks import Sent, Wanted
from npc_sdk.shield.attribution import Tally
from npc_sdk.shield.case import Case, Shield, issue
from npc_sdk.shield.certify import REASONS, Certified, certify, project
from npc_sdk.shield.fire import Aim
from npc_sdk.shield.ground import Movers, ShieldConfig, certified_limits, check_margins, half_planes, rounding
from npc_sdk.shield.ledger import Ledger
from npc_sdk.shield.moving import Others
from npc_sdk.shield.outstanding import Outstanding
from npc_sdk.shield.reasons import DISTANCES, Certificate, certificates

__all__ = [
    "DISTANCES",
    "REASONS",
    "Aim",
    "Case",
    "Certificate",
    "Certified",
    "Ledger",
    "Movers",
    "Others",
    "Outstanding",
    "Sent",
    "Shield",
    "ShieldConfig",
    "Tally",
    "Wanted",
    "certificates",
    "certified_limits",
    "certify",
    "check_margins",
    "half_planes",
    "issue",
    "project",
    "rounding",
]
