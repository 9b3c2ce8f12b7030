"""The type checker that the jaxtyping hook applies where tensors are: beartype, with an int passing for a float."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
