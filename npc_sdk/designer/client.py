"""The designer's end of the line, for scripts: every call waits for its answer, so a script reads as it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import cast

from npc_bridge.client import ControlClient, TelemetryReader
from npc_bridge.errors import ControlRefused, ControlTimeout
from npc_bridge.keys import PeerKeys
from npc_bridge.messages import Ack
from npc_bridge.packing import Value
from npc_sdk.designer.rulebook import located, read_rulebook
from npc_sdk.errors import ControlError

TOPIC = "plan"  # what the brain publishes with every answer
_SLICE_MS = 50

Told = Mapping[str, Value]


class Designer:
    """Turns weights, personas, terms and rules of a running brain, and reads what it tells. One thread."""

    def __init__(
        self,
        control: str,
        telemetry: str = "",
        *,
        timeout_s: float = 2.0,
        who: str = "script",
        keys: PeerKeys | None = None,
    ) -> None:
        """Connect; the brain may start later, the first request then waits for it up to `timeout_s`.

        Args:
            control: address of the brain's control channel, such as `tcp://127.0.0.1:5758`.
            telemetry: address of its telemetry; needed for `metrics` and `measure` only.
            timeout_s: how long a request may take.
            who: name for the brain's log of changes.
            keys: for a brain that asks for them: `npc_bridge.keys.PeerKeys.load` reads them.
        """
        self._control = ControlClient(control, round(1e3 * timeout_s), keys=keys)
        self._reader = TelemetryReader(telemetry, (TOPIC,), keys=keys) if telemetry else None
        self._timeout_s = timeout_s
        self._who = who
        self._places: dict[str, str] = {}  # where rules that were added from a file stand, by name

    def set_weight(self, term: str, value: float, scope: str = "global", group: str = "") -> int:
        """Turn one weight and return the board's revision.

        Args:
            term: its name.
            value: >= 0; 1 is neutral, 0 is off.
            scope: global, faction:NAME, squad:NUMBER, persona:NAME or npc:ID; the narrower counts.
            group: changes in a row with the same group are one step of undo.
        """
        return self._change("set_weight", {"term": term, "value": value, "scope": scope, "group": group})

    def set_weights(self, changes: Sequence[Told], group: str = "") -> int:
        """Turn several weights in one revision, or none of them: tables with term, value and maybe scope."""
        return self._change("set_weights", {"changes": [dict(change) for change in changes], "group": group})

    def unset_weight(self, scope: str, term: str = "") -> int:
        """Forget what a scope says about a term, or all it says."""
        return self._change("unset_weight", {"scope": scope, "term": term} if term else {"scope": scope})

    def assign(self, target: str, persona: str) -> int:
        """Give `npc:ID`, `squad:NUMBER`, `faction:NAME` or `global` a persona; "" takes it away."""
        return self._change("assign_persona", {"target": target, "persona": persona})

    def add_term(
        self, name: str, expression: str, *, unit: float = 1.0, norm: str = "linear", weight: float = 1.0
    ) -> int:
        """Add an objective: its residual as arithmetic over named quantities, zero where the wish is granted."""
        return self._change(
            "add_term", {"name": name, "expression": expression, "unit": unit, "norm": norm, "weight": weight}
        )

    def remove_term(self, name: str) -> int:
        """Remove an added objective."""
        return self._change("remove_term", {"name": name})

    def add_rule(self, rule: Told) -> int:
        """Add a hard constraint, or replace the one of that name: the keys of its TOML table."""
        name = str(rule.get("name", rule.get("rule")))
        places = {other: place for other, place in self._places.items() if other != name}
        try:
            revision = self._change("add_rule", {"rule": dict(rule)})
        except ControlError as error:
            raise ControlError(located(str(error), places), current=error.current, valid=error.valid) from error
        self._places = places
        return revision

    def add_rules(self, path: str | Path) -> int:
        """Add all rules of a TOML file in one revision, or none of them.

        Raises:
            ConstraintError: the file is wrong; with file and line.
            ControlError: the brain refuses the set; the smallest conflicting one is named, with the files and lines
                of all of its rules that this designer has added from a file.
        """
        book = read_rulebook(path)
        places = self._places | book.places
        try:
            revision = self._change("add_rules", {"rules": [cast(Told, table) for table in book.tables]})
        except ControlError as error:
            raise ControlError(located(str(error), places), current=error.current, valid=error.valid) from error
        self._places = places
        return revision

    def remove_rule(self, name: str) -> int:
        """Remove a hard constraint that was added."""
        return self._change("remove_rule", {"name": name})

    def set_mode(self, mode: str, on: bool) -> int:
        """Switch a mode such as hold_fire."""
        return self._change("set_mode", {"mode": mode, "on": on})

    def set_forecast(self, name: str) -> int:
        """Let the brain plan with another forecast from its next tick on; `inspect` names those it has."""
        return self._change("set_forecast", {"name": name})

    def undo(self) -> int:
        """Take the last change back."""
        return self._change("undo", {})

    def redo(self) -> int:
        """Bring the last change back that was taken back."""
        return self._change("redo", {})

    def inspect(self, npcs: Sequence[int | Told] = ()) -> Told:
        """Return every setting, and for the given NPCs (ids, or tables with id, squad, faction) what is in force."""
        return self._ask("inspect", {"npcs": list(npcs)}).result

    def explain(self, npc: int) -> Told:
        """Return why an NPC does what it does: an `Explanation`'s fields as a table."""
        return self._explanation("explain", npc)

    def replan(self, npc: int) -> Told:
        """Let an NPC take its newest decision once more under the weights of now, and return the explanation.

        Same moment, same random numbers. The NPC itself goes on with the plan it has.
        """
        return self._explanation("replan", npc)

    def metrics(self) -> Told:
        """Return the newest telemetry message: waits for one that is told after this call.

        Raises:
            ControlTimeout: nothing was told in time.
        """
        deadline = time.monotonic() + self._timeout_s
        reader = self._telemetry()
        reader.poll(0)  # what lies waiting is old
        while time.monotonic() < deadline:
            told = reader.poll(_SLICE_MS)
            if told:
                return told[-1].body
        raise ControlTimeout(f"expected telemetry within {self._timeout_s:g} s, got none: is a game connected?")

    def measure(self, name: str, seconds: float) -> float:
        """Return the mean of a measured number over the next `seconds`.

        Raises:
            ControlError: telemetry holds no number of that name.
            ControlTimeout: nothing was told.
        """
        deadline = time.monotonic() + seconds
        values: list[float] = []
        while not values or time.monotonic() < deadline:
            told = self.metrics()
            value = told.get(name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                numbers = sorted(key for key, number in told.items() if isinstance(number, int | float))
                raise ControlError(f"telemetry has no number {name!r}, it has {', '.join(numbers)}", valid=numbers)
            values.append(float(value))
        return sum(values) / len(values)

    def close(self) -> None:
        """Close the sockets."""
        self._control.close()
        if self._reader is not None:
            self._reader.close()

    def __enter__(self) -> Designer:
        """Return this client; it is closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the sockets."""
        self.close()

    def _change(self, verb: str, arguments: Mapping[str, Value]) -> int:
        return self._ask(verb, {**arguments, "who": self._who}).revision

    def _explanation(self, verb: str, npc: int) -> Told:
        result = self._ask(verb, {"npc": npc}).result
        told, certificate = result.get("explanation"), result.get("certificate")
        if not isinstance(told, Mapping):
            raise ControlError(f"{verb}: expected a table, got {told!r}")
        return told if certificate is None else {**told, "certificate": certificate}

    def _ask(self, verb: str, arguments: Mapping[str, Value]) -> Ack:
        try:
            return self._control.request(verb, arguments)
        except ControlRefused as error:
            valid = error.result.get("valid")
            names = [str(name) for name in valid] if isinstance(valid, list) else []
            raise ControlError(str(error), current=error.result.get("current"), valid=names) from error

    def _telemetry(self) -> TelemetryReader:
        if self._reader is None:
            raise ControlError("this client was made without a telemetry address: Designer(control, telemetry)")
        return self._reader
