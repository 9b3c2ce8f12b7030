"""What can be wrong between a game and its brain, as values: one type per cause, each with the remedy in its text.

A fault is not an exception: a client shows it as `client.fault` while the game goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ErrorCode


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong.

    Args:
        code: as in an ERROR message; None where no message was involved.
        text: what was expected, what came, where.
        remedy: what a developer does about it.
    """

    code: ErrorCode | None
    text: str
    remedy: str


class Connecting(Fault):
    """Nothing is known yet: the first second of a client."""


class NotListening(Fault):
    """Nothing accepts connections at the endpoint."""


class NotLetIn(Fault):
    """The game's key is not let in or is for another brain; or only one of the two has keys. The text says which."""


class NotOurProtocol(Fault):
    """Something listens, but it does not speak this protocol."""


class VersionFault(Fault):
    """Client and server have no major version in common."""


class SchemaFault(Fault):
    """A schema was not readable, or frames do not belong to the registered one."""


class ValueFault(Fault):
    """A snapshot held NaN, infinity, a duplicate id or the like, and was refused."""


class ProtocolFault(Fault):
    """A message was malformed, or one that has no place now."""


class TooLarge(Fault):
    """A message was larger or deeper than the server's limits, or too many of them were wrong."""


class SessionLost(Fault):
    """The session is gone; a new one is being opened."""


class Busy(Fault):
    """The server has no room now."""


class ModelFault(Fault):
    """The loaded model does not fit this game."""


class BrainFault(Fault):
    """The brain failed; its own log says how."""


class Silent(Fault):
    """The session is open, but no actions come."""


class StaleTicks(Fault):
    """The game's ticks do not grow."""


class LocalFault(Fault):
    """The game passed something that cannot be sent; nothing left this process."""


KINDS: dict[ErrorCode, type[Fault]] = {
    ErrorCode.MAGIC: NotOurProtocol,
    ErrorCode.VERSION: VersionFault,
    ErrorCode.SCHEMA: SchemaFault,
    ErrorCode.LIMIT: TooLarge,
    ErrorCode.VALUE: ValueFault,
    ErrorCode.SESSION: SessionLost,
    ErrorCode.AUTH: NotLetIn,
    ErrorCode.BUSY: Busy,
    ErrorCode.STALE: StaleTicks,
    ErrorCode.MODEL: ModelFault,
    ErrorCode.INTERNAL: BrainFault,
}

REMEDIES: dict[ErrorCode, str] = {
    ErrorCode.MAGIC: "check the port: this one belongs to npc-sdk serve, or point the client at the right one",
    ErrorCode.VERSION: "install the same major version of npc-sdk on both sides",
    ErrorCode.SCHEMA: "send the schema that the frames are built from: Client(schema=...) or client.restart(schema)",
    ErrorCode.LENGTH: "send each message as one frame whose length follows from its header (PROTOCOL.md)",
    ErrorCode.LIMIT: "send fewer entities or smaller messages, or raise the limit on the server",
    ErrorCode.VALUE: "fix the field in the game, or give it nan='clamp' or nan='mask' in the schema",
    ErrorCode.SESSION: "nothing to do: the client says HELLO again by itself",
    ErrorCode.AUTH: "let this key in (npc-sdk keys add), or take the newest file of this peer",
    ErrorCode.BUSY: "close another game, or raise the server's limit; the client tries again by itself",
    ErrorCode.DEADLINE: "look at the brain's log and load",
    ErrorCode.STALE: "let ticks grow; after a level restart call client.restart()",
    ErrorCode.KEYFRAME: "send a complete snapshot",
    ErrorCode.CONTROL: "correct the request; the answer holds the current value",
    ErrorCode.MODEL: "start npc-sdk serve with a model trained for this game, or train one: npc-sdk train",
    ErrorCode.INTERNAL: "look at the brain's log under the given id",
}


def of_code(code: ErrorCode, text: str, remedy: str = "") -> Fault:
    """Returns the fault that an error code stands for, with the code's usual remedy unless one is given."""
    return KINDS.get(code, ProtocolFault)(code, text, remedy or REMEDIES[code])
