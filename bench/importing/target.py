"""Target: the training images that the rows of a released file belong to, and which of them a protocol uses.

May import numpy and bench.data.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.data import DATASETS, load_data
from bench.data.dataset import ImageSplit, check_split, select_images
from bench.errors import UsageProblem
from bench.problems import visible
from bench.protocol import Protocol, Selection, load_protocol, protocol_ids

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Target:
    """Training images uint8 (M, C, H, W) and labels int64 (M,); positions: (N,), those of the protocol among them."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    positions: NDArray[np.int64]


def load_target(protocol: Protocol, *, whole: bool) -> Target:
    """Load a protocol's training images, or the whole training set that they were chosen from.

    Raises DatasetMissing, DataMismatch.
    """
    dataset = protocol.dataset
    if not whole or dataset.train.select == Selection():
        train = load_data(dataset).train
        return Target(train.images, train.labels, np.arange(len(train.labels)))
    everything = dataset.train.model_copy(update={"select": Selection()})
    data, source = DATASETS[dataset.name](dataset.model_copy(update={"train": everything}))
    check_split(f"{dataset.name}/train", select_images(data.train, dataset.train.select), dataset.train, source)
    return Target(data.train.images, data.train.labels, selected_positions(data.train.labels, dataset.train.select))


def selected_positions(labels: NDArray[np.int64], selection: Selection) -> NDArray[np.int64]:
    """Return where the images that a selection names stand in the whole training set."""
    numbered = ImageSplit(np.arange(len(labels)), labels)  # type: ignore[arg-type]
    return select_images(numbered, selection).images.astype(np.int64)


def image_shape(protocol: Protocol) -> Shape:
    """Return (channels, height, width) of a protocol's images."""
    return protocol.dataset.channels, protocol.dataset.height, protocol.dataset.width


def find_protocol(protocol_id: str | None, shape: tuple[int, ...]) -> Protocol:
    """Return the protocol that is named, or the only one whose images have the shape of a row of the file.

    Raises UnknownName; UsageProblem where none or several fit.
    """
    if protocol_id is not None:
        return load_protocol(protocol_id)
    known = [load_protocol(name) for name in protocol_ids()]
    fitting = [protocol for protocol in known if fits(shape, image_shape(protocol))]
    if len(fitting) != 1:
        names = ", ".join(protocol.id for protocol in fitting or known)
        word = "several protocols fit" if fitting else "no protocol fits"
        raise UsageProblem(f"{word} an array of shape {visible(str(shape))}; name one with --protocol: {names}")
    return fitting[0]


def fits(shape: tuple[int, ...], image: Shape) -> bool:
    """Return whether an array's last dimensions are those of an image, channels first or last."""
    channels, height, width = image
    gray = channels == 1 and len(shape) == 3 and shape[1:] == (height, width)
    return (len(shape) in (4, 5) and shape[-3:] in (image, (height, width, channels))) or gray
