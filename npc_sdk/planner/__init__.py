"""Propose, imagine, score, choose: all NPCs of a tick in one batch of tensors.

`plan.plan` is the way in; `problem` holds its inputs, `fields` the walking distances that proposals and terms read.
"""

from __future__ import annotations
