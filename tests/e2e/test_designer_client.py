"""The designer's client against a real control and telemetry channel, with a board but no planner behind them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from npc_bridge.errors import ControlTimeout
from npc_bridge.messages import Ack, Control
from npc_bridge.server import BridgeServer, ControlRequested, Endpoints
from npc_bridge.session import Offer
from npc_sdk.constraints import Rule, check_rules
from npc_sdk.designer.answer import answer
from npc_sdk.designer.board import Board, NpcKey
from npc_sdk.designer.client import TOPIC, Designer
from npc_sdk.designer.persona import SHIPPED, PersonaLibrary
from npc_sdk.errors import ControlError
from npc_sdk.experiments.zoo import Body
from npc_sdk.objectives.terms import DEFAULT_TERMS

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "01_designer_script.py"


class BoardOnly:
    """A brain that has a board and measures one thing: the more `exposure` weighs, the less NPCs are exposed."""

    def __init__(self) -> None:
        self.board = Board(PersonaLibrary(SHIPPED, DEFAULT_TERMS.names), forecasts=("learned", "frozen"))
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        with BridgeServer(Endpoints(*["tcp://127.0.0.1:0"] * 3), Offer(server="test")) as server:
            self.endpoints = server.endpoints
            self._ready.set()
            while not self._stop.is_set():
                for event in server.poll(10):
                    if isinstance(event, ControlRequested):
                        server.acknowledge(event.peer, self._answer(event.control))
                weight = float(self.board.snapshot.resolve([NpcKey(101)])[0][DEFAULT_TERMS.index("exposure")])
                server.publish(TOPIC, {"exposed_fraction": 1.0 / (1.0 + weight), "game": "arena"}, 1, 1)

    def _answer(self, control: Control) -> Ack:
        if control.verb in ("explain", "replan"):
            told = {"sentence": f"NPC {control.arguments['npc']} chose hold."}
            return Ack(control.request, 1, result={"explanation": told})
        return answer(self.board, control)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)


@pytest.fixture
def brain() -> Iterator[BoardOnly]:
    made = BoardOnly()
    yield made
    made.close()


@pytest.fixture
def designer(brain: BoardOnly) -> Iterator[Designer]:
    with Designer(brain.endpoints.control, brain.endpoints.telemetry, timeout_s=10.0, who="ann") as made:
        yield made


def one_guard(rules: tuple[Rule, ...]) -> None:
    """Admits what leaves an NPC at the origin room."""
    body = Body(4.0, 16.0, 16.0, 0.35)
    check_rules(rules, ids=[101], squads=[0], homes=[[0, 0]], kinematics=body, bounds=(-12.0, -12.0, 12.0, 12.0))


def test_a_conflict_between_files_names_the_lines_of_both(brain: BoardOnly, designer: Designer, tmp_path: Path) -> None:
    brain.board = Board(admit=one_guard)
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text('# posts\n[[constraints]]\nrule = "leash"\nname = "post"\nradius = 3.0\n', encoding="utf-8")
    second.write_text(
        '[[constraints]]\nrule = "hold_fire"\n\n'
        '[[constraints]]\nrule = "keep_in"\nname = "far"\npolygon = [[8, 8], [11, 8], [11, 11], [8, 11]]\n',
        encoding="utf-8",
    )
    designer.add_rules(first)
    with pytest.raises(ControlError, match=r"'post', 'far'.* \(first\.toml:2, second\.toml:4\)$"):
        designer.add_rules(second)
    far = {"rule": "keep_in", "name": "far", "polygon": [[8, 8], [11, 8], [11, 11], [8, 11]]}
    with pytest.raises(ControlError, match=r"'post', 'far'.* \(first\.toml:2\)$"):
        designer.add_rule(far)
    designer.add_rule({"rule": "leash", "name": "post", "radius": 4.0})
    with pytest.raises(ControlError, match=r"'post', 'far'.* \(second\.toml:4\)$"):
        designer.add_rules(second)
    assert [rule.name for rule in brain.board.snapshot.rules] == ["post"]


def test_every_kind_of_change_reaches_the_board(brain: BoardOnly, designer: Designer) -> None:
    designer.set_weight("exposure", 4.0)
    designer.assign("squad:1", "cautious")
    designer.add_term("north", "relu(player.y - self.y)", unit=2.0, weight=0.5)
    designer.add_rule({"rule": "speed_limit", "name": "slow", "speed": 2.0})
    revision = designer.set_mode("hold_fire", True)
    now = brain.board.snapshot
    assert revision == now.revision
    assert now.terms.names[-1] == "north"
    assert now.persona_of(NpcKey(101, 1)) == "cautious"
    assert [rule.name for rule in now.rules] == ["slow"]
    assert now.modes["hold_fire"]
    assert brain.board.log[0].who == "ann"
    designer.set_weights([{"term": "cover", "value": 2.0}, {"term": "cover", "value": 3.0, "scope": "npc:101"}])
    designer.set_forecast("frozen")
    assert brain.board.snapshot.forecast == "frozen"
    row = brain.board.snapshot.resolve([NpcKey(101), NpcKey(102)])[:, now.terms.index("cover")]
    assert row.tolist() == [3.0, 2.0]
    designer.undo()
    designer.undo()
    designer.set_mode("hold_fire", False)
    designer.remove_rule("slow")
    designer.remove_term("north")
    designer.assign("squad:1", "")
    designer.unset_weight("global", "exposure")
    designer.undo()
    assert designer.inspect()["weights"] == {"global": {"exposure": 4.0}}
    designer.redo()
    told = designer.inspect([104, {"id": 105, "squad": 1}])
    assert told["weights"] == {}
    assert set(told["npcs"]) == {"104", "105"}


def test_a_refusal_says_what_would_have_been_right(designer: Designer) -> None:
    with pytest.raises(ControlError, match="unknown term 'exposre', did you mean 'exposure'"):
        designer.set_weight("exposre", 1.0)
    with pytest.raises(ControlError, match="expected a finite number >= 0"):
        designer.set_weight("exposure", -1.0)


def test_why_and_how_much_can_be_asked(designer: Designer) -> None:
    assert designer.explain(104)["sentence"] == "NPC 104 chose hold."
    assert designer.replan(104)["sentence"] == "NPC 104 chose hold."
    assert designer.metrics()["game"] == "arena"
    designer.set_weight("exposure", 3.0)
    assert designer.measure("exposed_fraction", 0.1) == pytest.approx(0.25)
    with pytest.raises(ControlError, match="no number 'exposed', it has exposed_fraction"):
        designer.measure("exposed", 0.1)


def test_nobody_listening_is_told_in_time(brain: BoardOnly) -> None:
    free = replace(brain.endpoints, control="tcp://127.0.0.1:9", telemetry="tcp://127.0.0.1:9")
    with Designer(free.control, free.telemetry, timeout_s=0.2) as designer:
        with pytest.raises(ControlTimeout, match="no answer from"):
            designer.set_weight("exposure", 1.0)
        with pytest.raises(ControlTimeout, match="is a game connected"):
            designer.metrics()
    with (
        Designer(brain.endpoints.control) as designer,
        pytest.raises(ControlError, match="without a telemetry address"),
    ):
        designer.metrics()


def test_the_example_turns_exposure_and_prints_how_it_falls(brain: BoardOnly) -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 30
    quick = EXAMPLE.read_text(encoding="utf-8").replace("= 4.0, 8.0", "= 0.2, 0.2")
    done = subprocess.run(
        [sys.executable, "-c", quick, brain.endpoints.control, brain.endpoints.telemetry],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shares = [float(line.split()[-4].rstrip("%")) for line in done.stdout.splitlines()]
    assert shares == [100.0, 66.7, 50.0, 33.3, 20.0]
