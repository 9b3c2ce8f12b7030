"""World models: what the others will do, imagined from what a squad believes."""

from npc_sdk.world.baselines import ConstantVelocity, Frozen
from npc_sdk.world.checkpoint import load_model, save_model
from npc_sdk.world.forecast import DT, EVENTS, PLAYER_SLOT, Decision, Forecast, Imagined, Memory, Mode, join
from npc_sdk.world.model import ModelConfig, WorldModel
from npc_sdk.world.update import UpdateConfig

__all__ = [
    "DT",
    "EVENTS",
    "PLAYER_SLOT",
    "ConstantVelocity",
    "Decision",
    "Forecast",
    "Frozen",
    "Imagined",
    "Memory",
    "Mode",
    "ModelConfig",
    "UpdateConfig",
    "WorldModel",
    "join",
    "load_model",
    "save_model",
]
