"""Games that an adversary found worst, in a file that says all about them: no draw of the zoo is asked again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from npc_sdk.constraints import Rule, from_table
from npc_sdk.experiments.adversary import Floats
from npc_sdk.experiments.zoo import Body, Outline, Setting
from npc_sdk.shield import ShieldConfig

_PLANES = ("homes", "position", "velocity", "others")  # n 2


@dataclass(frozen=True, slots=True)
class Worst:
    """A game, its luck, and the script that came nearest to breaking a rule."""

    setting: Setting
    seed: int
    numbers: Floats
    margin: float  # m, that was left when it was found


def write(path: Path, cases: Sequence[Worst]) -> None:
    """Writes cases as JSON, one per line."""
    path.write_text("".join(json.dumps(_plain(case)) + "\n" for case in cases), encoding="utf-8")


def read(path: Path) -> list[Worst]:
    """Reads what `write` wrote.

    Raises:
        ConstraintError: a rule in it is none any more.
    """
    return [_case(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _plain(case: Worst) -> dict[str, object]:
    setting = {f.name: getattr(case.setting, f.name) for f in fields(Setting)}
    told: dict[str, object] = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in setting.items()}
    told |= {
        "rules": [_table(rule) for rule in case.setting.rules],
        "walls": [asdict(wall) for wall in case.setting.walls],
        "body": asdict(case.setting.body),
        "config": asdict(case.setting.config),
    }
    return {"setting": told, "seed": case.seed, "numbers": case.numbers.tolist(), "margin": case.margin}


def _table(rule: Rule) -> dict[str, object]:
    """The rule as a designer would write it; what is empty is left to its default."""
    return {"rule": rule.rule, **{f.name: v for f in fields(rule) if (v := getattr(rule, f.name)) != ""}}


def _case(told: dict[str, Any]) -> Worst:
    plain = told["setting"]
    read = {
        **plain,
        "rules": tuple(from_table(table) for table in plain["rules"]),
        "walls": tuple(Outline(w["name"], w["kind"], tuple((x, y) for x, y in w["vertices"])) for w in plain["walls"]),
        "bounds": tuple(plain["bounds"]),
        "body": Body(**plain["body"]),
        "config": ShieldConfig(**plain["config"]),
        "ids": np.array(plain["ids"], np.uint32),
        "squads": np.array(plain["squads"], np.int64),
        **{name: np.array(plain[name], np.float64).reshape(-1, 2) for name in _PLANES},
    }
    return Worst(Setting(**read), told["seed"], np.array(told["numbers"], np.float64), told["margin"])
