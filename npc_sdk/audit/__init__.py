"""The independent checker of executed trajectories. Shares no code with what it checks; NumPy float64 only."""

from __future__ import annotations

from npc_sdk.audit.causes import ASSUMPTIONS, CATEGORIES
from npc_sdk.audit.check import AuditConfig, AuditReport, RuleAudit, Standing, Violation, audit
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
    Forecast,
    Limits,
    Mesh,
    Quota,
    Share,
    Stock,
    Trace,
    Turns,
    Zone,
)

__all__ = [
    "ASSUMPTIONS",
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
    "Forecast",
    "Limits",
    "Mesh",
    "Quota",
    "RuleAudit",
    "Share",
    "Standing",
    "Stock",
    "Trace",
    "Turns",
    "Violation",
    "Zone",
    "audit",
    "mesh_outline",
]
