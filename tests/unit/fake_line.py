"""A designer's line without a brain at its other end."""

from __future__ import annotations

from npc_sdk.demo.designer import Answer
from npc_sdk.demo.scene import Why
from npc_sdk.demo.settings import Request
from npc_sdk.demo.thoughts import Mind


class FakeLine:
    """Keeps what is asked; a test says what is answered."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.told: list[tuple[Request, Answer]] = []
        self.sessions: list[int] = []
        self.mind = Mind(forecast="learned")
        self.whys: dict[int, Why] = {}

    def ask(self, *requests: Request) -> None:
        self.asked += requests

    def answers(self) -> list[tuple[Request, Answer]]:
        told, self.told = self.told, []
        return told

    def follow(self, session: int) -> None:
        self.sessions.append(session)
        self.asked.clear()

    def answer(self, answer: Answer) -> None:
        """The brain answers all that was asked."""
        self.told += [(request, answer) for request in self.asked]
        self.asked.clear()
