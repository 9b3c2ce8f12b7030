"""What is agreed with the brain: the requests to its board and its answers, session by session. Nothing here waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from npc_bridge.packing import Value
from npc_sdk.demo.designer import Answer, Designer
from npc_sdk.demo.flip import Flipping, is_replan_of
from npc_sdk.demo.heard import Heard
from npc_sdk.demo.paint import Corners, Paint, is_painted
from npc_sdk.demo.scene import Why
from npc_sdk.demo.settings import Request, Settings
from npc_sdk.demo.thoughts import Mind, read_why


class Talk:
    """One brain's board. What was settled is told again to every new session before that counts as led."""

    def __init__(self, line: Designer, echo: Callable[[Sequence[Request]], None]) -> None:
        """Begin with nothing settled.

        Args:
            line: carries requests and answers; closed here.
            echo: is told what is turned, for a control match.
        """
        self.settings = Settings()
        self.heard = Heard()
        self.paint = Paint()
        self.flipping: Flipping | None = None
        self.refusal = ""  # the brain's last no
        self.weights_sha256 = ""  # of the numbers in the brain's memory, as it last counted them
        self.painted = False  # ever
        self.session = 0  # that is talked about
        self.confirmed = 0  # played tick at which the last of the match's own rules was
        self._line = line
        self._echo = echo
        self._ruled: set[str] = set()  # rules the session has confirmed

    def open(self, rules: Sequence[Request], played: int) -> None:
        """Begin another match, with these rules and nothing painted."""
        self.paint = Paint()
        self.settings.set_rules(rules)
        self.renew()
        self.confirmed = played

    def renew(self) -> None:
        """Begin another session about the same match."""
        self.session = 0
        self._ruled.clear()

    def reset(self) -> None:
        """Take back all that was turned, and forget it."""
        self.refusal = ""
        self.ask(*self.settings.clear())

    def follow(self, session: int) -> None:
        """Bring a new session to what was settled; 0 is none."""
        if session != self.session:
            self.renew()
            self.session = session
            self._line.follow(session)
            if session:
                self.insist()

    def insist(self) -> None:
        """Ask for all that was settled."""
        self.ask(*self.settings.replay())

    def ask(self, *requests: Request) -> None:
        """Send requests that concern this board only."""
        self._line.ask(*requests)

    def change(self, *requests: Request) -> None:
        """Turn the board, and the control match's with it."""
        self.ask(*requests)
        self._echo(requests)

    def hear(self, played: int) -> None:
        """Take in the answers that have come; `played` is the tick of all matches so far."""
        for request, answer in self._line.answers():
            self._answered(request, answer, played)

    @property
    def agreed(self) -> bool:
        """Whether the session has confirmed every rule."""
        return self._ruled >= set(self.settings.rules)

    @property
    def mind(self) -> Mind:
        """What the brain last told of its plans."""
        return self._line.mind

    @property
    def whys(self) -> Mapping[int, Why]:
        """The newest explanation of every NPC that has been asked."""
        return self._line.whys

    @property
    def swing_ms(self) -> list[float]:
        """From every turned weight to the plans it leads to, as soon as they were here."""
        return list(self._line.swing_ms)

    def forbid(self, corners: Corners) -> None:
        """Ask for a painted zone as a rule."""
        self.ask(self.paint.request(corners))

    def allow(self) -> None:
        """Take all painted zones back."""
        requests = self.paint.removal()
        for request in requests:
            self.settings.rules.pop(str(request["name"]), None)
            self._ruled.discard(str(request["name"]))
        self.ask(*requests)

    def flip(self, npc: int) -> None:
        """Take an NPC's explanation at its word."""
        self.flipping = Flipping(npc)
        self.ask(*self.flipping.begin())

    def close(self) -> None:
        """End the line."""
        self._line.close()

    def _answered(self, request: Request, answer: Answer, played: int) -> None:
        if request["op"] == "add_rule" and isinstance(rule := request["rule"], Mapping):
            self._law(str(rule["name"]), rule, answer, played)
        elif isinstance(answer, str):
            self.refusal = answer
            if request["op"] == "set_forecast":
                self.settings.forecast = self.mind.forecast
        elif request["op"] == "status":
            self.weights_sha256 = str(answer.get("weights_sha256", ""))
        elif request["op"] == "inspect":
            self.heard.take(answer)
        elif request["op"] == "set_forecast":
            self._echo([request])
        elif request["op"] == "add_term":
            self.settings.terms[str(request["name"])] = request
            self._echo([request])
        elif self.flipping is not None and is_replan_of(request, self.flipping.npc) and not self.flipping.done:
            self._flipped(self.flipping, answer)

    def _law(self, name: str, rule: Mapping[str, Value], answer: Answer, played: int) -> None:
        """Take in what the brain said to a rule."""
        known = name in self._ruled
        if isinstance(answer, str):
            self.paint.refused(name)
            self.refusal = answer
        elif not is_painted(name):
            self.confirmed = self.confirmed if known else played
            self._ruled.add(name)
        elif not known and name in self.paint:
            self.paint.confirmed(name, played)
            self.painted = True
            self.settings.rules[name] = dict(rule)
            self._ruled.add(name)

    def _flipped(self, flipping: Flipping, answer: Mapping[str, object]) -> None:
        why = read_why(answer)
        if why is not None:
            requests = flipping.hear(why, self.settings)
            self.ask(*requests)
            self._echo([request for request in requests if not is_replan_of(request, flipping.npc)])
