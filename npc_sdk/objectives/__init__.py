"""Soft wishes: named quantities, terms built from them as arithmetic, and weights by scope.

`vocabulary`, `expression`, `terms` and `weights` never import torch; the rest works on tensors.
"""

from __future__ import annotations
