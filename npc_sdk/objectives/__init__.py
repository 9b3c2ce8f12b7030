"""Soft wishes: named quantities, terms built from them as arithmetic, and weights by scope.

`vocabulary`, `expression`, `terms` and `weights` never import torch; `norms`, `quantities` and `features` evaluate on tensors.
"""

from __future__ import annotations
