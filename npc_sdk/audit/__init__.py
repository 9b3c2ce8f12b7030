"""The independent checker of executed trajectories. Shares no code with what it checks; NumPy float64 only."""

from __future__ import annotations

from npc_sdk.audit.check import CATEGORIES, AuditConfig, AuditReport, RuleAudit, Standing, Violation, audit
from npc_sdk.audit.measure import mesh_outline
from npc_sdk.audit.trace import (
    BRAKE,
    CALLBACK,
    NONE,
    PLAN,
    TAIL,
    Apart,
    Burst,
    Cone,
    Limits,
    Mesh,
    Quota,
    Share,
    Stock,
    Trace,
    Zone,
)

__all__ = [
    "BRAKE",
    "CALLBACK",
    "CATEGORIES",
    "NONE",
    "PLAN",
    "TAIL",
    "Apart",
    "AuditConfig",
    "AuditReport",
    "Burst",
    "Cone",
    "Limits",
    "Mesh",
    "Quota",
    "RuleAudit",
    "Share",
    "Standing",
    "Stock",
    "Trace",
    "Violation",
    "Zone",
    "audit",
    "mesh_outline",
]
