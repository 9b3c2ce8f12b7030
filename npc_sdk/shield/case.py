"""One look at a game and its answer: what is forgotten before, what is promised after, in this order everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from npc_sdk.constraints import KIND, RuleTables
from npc_sdk.shield.attacks import Wanted
from npc_sdk.shield.certify import Certified, certify, in_motion
from npc_sdk.shield.ground import Movers, ShieldConfig, check_movers
from npc_sdk.shield.moving import Others
from npc_sdk.shield.outstanding import Outstanding

Shield: TypeAlias = Callable[..., Certified]


@dataclass(frozen=True, slots=True)
class Case:
    """All that one call of `certify` is given, besides what had been promised before."""

    movers: Movers
    tables: RuleTables
    proposals: Float[np.ndarray, "n m 2"]  # m/s
    others: Others
    wanted: Wanted
    config: ShieldConfig


def issue(promised: Outstanding, case: Case, chunk: int, shield: Shield = certify) -> Certified:
    """Certifies a case against what had been promised, and remembers the answer as promised.

    Args:
        promised: forgets what the case's snapshot shows to be over, and takes the answer in.
        case: what is asked.
        chunk: under which number the answer is sent.
        shield: what certifies; another one than the real one for controls and tests.

    Raises:
        ConstraintError: see `certify`.
    """
    wanted, tables, ids = case.wanted, case.tables, case.movers.ids
    rows = tables.rows(ids)
    # A look that gets no answer is not in the log: it must leave nothing behind by which later ones are answered.
    check_movers(case.movers, tables, case.config)
    promised.forget(wanted.tick)
    promised.attacks.observe(wanted.tick, tables, rows, wanted.fields)
    if tables.turns:
        promised.moves.observe(wanted.tick, ids, in_motion(case.movers, promised, case.config))
    certified = shield(
        case.movers, tables, promised, case.proposals, others=case.others, wanted=wanted, config=case.config
    )
    last = wanted.apply_tick + case.proposals.shape[1] - 1
    promised.add(chunk, last, ids, certified.points, certified.told)
    if tables.turns:
        moving = promised.moving(ids)
        promised.moves.begin(wanted.tick, ids[moving])
        had = certified.active[:, KIND["in_turn"]] & ~certified.rejected[:, KIND["in_turn"]]
        promised.moves.pass_on(wanted.tick, ids[had & ~moving])
    promised.attacks.add(wanted.apply_tick, tables, rows, certified.triggers)
    return certified
