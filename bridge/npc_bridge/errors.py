"""Every exception of the bridge, and the error codes of the wire.

```
BridgeError
├── LocalProtocolError      we did wrong: a bug on this side of the wire
│   ├── SchemaError         a schema declaration is invalid; names entity and field
│   ├── MessageTooLarge     a message beyond the peer's limits
│   └── EndpointError       an address this process may not or cannot listen on
├── ServerError             the server's I/O thread has ended
├── KeysError               a folder or file of keys that is not one, or a request about it that cannot be met
├── RemoteProtocolError     the peer did wrong; `code` says what, the text what was expected and what came
├── SchemaMismatch          a model and a game do not fit each other; `fields` names where
├── Refused                 the brain will not serve this game; sent to it as an ERROR with `code`
├── RecordingError          a file that is no recording
├── ConformanceError        an implementation that could not be held to the vectors
└── ControlError            a designer's request came to nothing
    ├── ControlTimeout      no answer in time
    └── ControlRefused      answered with an ERROR; `code` says which
```
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class ErrorCode(IntEnum):
    """Codes of ERROR messages. Numbers are stable for ever; the text of the message carries the remedy."""

    MAGIC = 1  # not our protocol
    VERSION = 2  # no common major version
    SCHEMA = 3  # unreadable schema, or a frame whose schema id is not the registered one
    LENGTH = 4  # bytes missing or left over, or more than one frame
    LIMIT = 5  # larger, deeper or more often than WELCOME allows
    VALUE = 6  # NaN, infinity, duplicate id or a field outside its type
    SESSION = 7  # unknown or closed session: say HELLO again
    AUTH = 8  # a key that is not let in
    BUSY = 9  # no room now; try again later
    DEADLINE = 10  # reserved for lock-step mode
    STALE = 11  # a tick that does not grow
    KEYFRAME = 12  # the baseline of a delta is not there
    CONTROL = 13  # a designer's request was rejected
    MODEL = 14  # the loaded model does not fit this game
    INTERNAL = 15  # the brain failed; details are in its own log


class BridgeError(Exception):
    """Base of every exception raised by npc_bridge."""


class LocalProtocolError(BridgeError):
    """This side broke the protocol or passed wrong arguments."""


class SchemaError(LocalProtocolError):
    """A schema declaration is invalid."""


class MessageTooLarge(LocalProtocolError):
    """A message is larger than the peer reads."""


class EndpointError(LocalProtocolError):
    """An address cannot be listened on: not loopback, taken, or malformed."""


class ServerError(BridgeError):
    """The server's I/O thread has ended, which it never should; the log says how."""


class KeysError(BridgeError):
    """A folder or file of keys is not what it should be. Never holds a secret."""


class RemoteProtocolError(BridgeError):
    """The peer's bytes break the protocol.

    Args:
        code: what an ERROR reply would say.
        text: expected, got, where.
    """

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class SchemaMismatch(BridgeError):
    """A model's schema and a game's cannot be joined.

    Args:
        text: all differences, one after another.
        fields: the names they concern, such as `npc.x`.
    """

    def __init__(self, text: str, fields: tuple[str, ...]) -> None:
        super().__init__(text)
        self.fields = fields


class Refused(BridgeError):
    """The brain will not serve a game; raised by a server's `admit` function."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class RecordingError(BridgeError):
    """A file is not a recording, or of another version."""


class ConformanceError(BridgeError):
    """An implementation under test did not start, or ended without its verdicts."""


class ControlError(BridgeError):
    """A designer's request came to nothing."""


class ControlTimeout(ControlError):
    """The brain did not answer a request in time."""


class ControlRefused(ControlError):
    """The brain answered a request with an error; `result` is what it said besides, such as the names it knows."""

    def __init__(self, code: ErrorCode, text: str, result: Mapping[str, object] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.result: Mapping[str, object] = result or {}
