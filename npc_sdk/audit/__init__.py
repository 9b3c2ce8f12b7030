"""The independent checker of executed trajectories. Shares no code with what it checks; NumPy float64 only."""

from __future__ import annotations

from npc_sdk.audit.check import CATEGORIES, AuditConfig, AuditReport, RuleAudit, Standing, Violation, audit
from npc_sdk.audit.trace import BRAKE, CALLBACK, NONE, PLAN, TAIL, Limits, Trace, Zone

__all__ = [
    "BRAKE",
    "CALLBACK",
    "CATEGORIES",
    "NONE",
    "PLAN",
    "TAIL",
    "AuditConfig",
    "AuditReport",
    "Limits",
    "RuleAudit",
    "Standing",
    "Trace",
    "Violation",
    "Zone",
    "audit",
]
