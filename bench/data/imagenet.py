"""ImageNet-100: the classes that a protocol names, as folders `imagenet100/{train,val}/<class>/` of JPEG or PNG files.

May import numpy and bench.data; no torch. bench.data.image_files decodes. A class has the label of its position in the
protocol's class names; images are in the order of labels, those of a class in the order of file names.
"""

from itertools import chain
from pathlib import Path

import numpy as np

from bench.data.dataset import ImageData, ImageSplit
from bench.data.image_files import list_images, read_pixels
from bench.data.places import DATA_VARIABLE, data_folders, missing
from bench.errors import UsageProblem
from bench.protocol import Dataset, Split

NAME = "imagenet100"

_REMEDY = (
    f"  put the images into {NAME}/train/<class>/ and {NAME}/val/<class>/ in one of these folders (links will do),\n"
    f"  or name the folder that holds {NAME}/ in ${DATA_VARIABLE}; docs/protocols.md shows the layout"
)


def load_imagenet100(dataset: Dataset) -> tuple[ImageData, str]:
    """Return the selected images, mapped from a file, and the folder they came from.

    Raises DatasetMissing with every place looked at or every class without images, DataMismatch for damaged images,
    UsageProblem for a selection other than `per_class`.
    """
    folder = Path(find_imagenet100(None))
    return ImageData(
        _load(folder / "train", dataset, dataset.train), _load(folder / "val", dataset, dataset.test)
    ), str(folder)


def find_imagenet100(_first: int | None) -> str:
    """Return the folder that holds `train` and `val`. Raises DatasetMissing."""
    seen = []
    for folder in data_folders():
        lacking = [f"{NAME}/{split}/" for split in ("train", "val") if not (folder / NAME / split).is_dir()]
        if not lacking:
            return str(folder / NAME)
        seen.append((folder, f"lacks {' and '.join(lacking)}" if folder.is_dir() else "no such folder"))
    raise missing(NAME, seen, _REMEDY)


def _load(folder: Path, dataset: Dataset, split: Split) -> ImageSplit:
    if split.select.first or split.select.exclude:
        raise UsageProblem(f"{NAME}: a protocol can select images by `per_class` alone, so that no others are decoded")
    classes = list_images(folder, dataset.class_names, split.select.per_class)
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes]).astype(np.int64)
    return ImageSplit(read_pixels(f"{NAME}-{folder.name}", list(chain(*classes)), dataset.height), labels)
