"""Learning a world model from recordings, and measuring what it learned."""

from npc_sdk.train.dataset import Dataset, Play, build_dataset
from npc_sdk.train.evaluate import evaluate
from npc_sdk.train.loop import TrainConfig, Trainer
from npc_sdk.train.losses import LossWeights
from npc_sdk.train.recordings import Recordings, read_recordings
from npc_sdk.train.run import Trained, train

__all__ = [
    "Dataset",
    "LossWeights",
    "Play",
    "Recordings",
    "TrainConfig",
    "Trained",
    "Trainer",
    "build_dataset",
    "evaluate",
    "read_recordings",
    "train",
]
