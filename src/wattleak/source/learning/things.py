"""The kinds of things that training code handles, as far as rules need to tell them apart."""

from __future__ import annotations

from enum import Enum


class Thing(Enum):
    """What an expression stands for."""

    MODEL = "model"  # what is trained or evaluated as a whole
    LAYER = "layer"  # a torch.nn.Module or Keras layer inside another
    LOSS = "loss"  # what computes a loss
    LOADER = "loader"  # a torch DataLoader or a tf.data.Dataset
    OPTIMIZER = "optimizer"
    OTHER = "other"  # something known that is none of these
