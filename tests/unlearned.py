"""An unlearning protocol on real digits so small that a kit takes a second, and checkpoints made for it."""

from pathlib import Path

import numpy as np

from bench.checkpoint_check import protocol_layout
from bench.checkpoints import CHECKPOINT_DTYPES, Tensors
from bench.data.dataset import select_images, split_digest
from bench.data.digits import load_digits
from bench.protocol import Selection, load_protocol
from bench.unlearning_protocol import UnlearningProtocol, parse_unlearning_protocol

PROTOCOL_ID = "unlearning-small-v1"

_PROTOCOL = """
schema = "bench.protocol/1"
id = "{id}"
track = "unlearning"
title = "Sixty digits to forget"
summary = "For tests only: real digits, two epochs, a second a kit."
model = "resnet-narrow"

[dataset]
name = "digits"
classes = 10
channels = 1
height = 8
width = 8
class_names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

[dataset.train]
images = 120
sha256 = "{train}"
select = {{ per_class = 12 }}

[dataset.test]
images = 100
sha256 = "{test}"
select = {{ per_class = 10 }}

[recipe]
epochs = 10
batch_size = 40
learning_rate = 0.05
momentum = 0.9
weight_decay = 0.0005
schedule = "cosine"

[metrics]
relearn_rate = 0.05
relearn_epochs = 2

[[probes]]
probe = "gaussian"
primary = true
count = 12
seeds = {{ quick = 1, full = 2 }}
settings = {{ sigma = 0.25, canaries = 6, never = 6 }}

[[probes]]
probe = "patch"
count = 12
seeds = {{ quick = 0, full = 2 }}
settings = {{ size = 2 }}
"""


def protocol_text() -> str:
    """Return the TOML text of the small protocol, its digests computed from the images themselves."""
    data, _ = load_digits(load_protocol("ue-digits-v1").dataset)
    train, test = (
        select_images(split, Selection(per_class=count)) for split, count in ((data.train, 12), (data.test, 10))
    )
    return _PROTOCOL.format(id=PROTOCOL_ID, train=split_digest(train), test=split_digest(test))


def write_unlearning_protocol(folder: Path) -> None:
    """Write the small protocol into a folder of private protocols."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{PROTOCOL_ID}.toml").write_text(protocol_text())


def small_unlearning_protocol() -> UnlearningProtocol:
    """Return the small protocol without writing it."""
    return parse_unlearning_protocol(protocol_text())


def make_tensors(protocol: UnlearningProtocol, seed: int = 0) -> Tensors:
    """Return tensors of the protocol's network with small random values."""
    generator = np.random.default_rng(seed)
    return {
        name: np.asarray(np.abs(generator.standard_normal(shape)), CHECKPOINT_DTYPES[dtype])
        for name, (dtype, shape) in protocol_layout(protocol).items()
    }
