"""`bench import`: reads a released file, finds out what it is, measures it and writes the submission.

May import numpy, pydantic, bench.errors, records, data and the gate.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.artifacts import Integers
from bench.errors import InvalidSubmission, UsageProblem
from bench.importing import FORMATS, WITHOUT_FILES
from bench.importing.apart import Received, read_apart
from bench.importing.formats import Content
from bench.importing.measuring import measure, negative_share
from bench.importing.ordering import Assigned, Form, Rows, assign_rows
from bench.importing.quantizing import (
    CHUNK_ROWS,
    apply_sign,
    channels_first,
    check_range,
    narrowest,
    to_pixels,
    to_whole_numbers,
)
from bench.importing.report import ImportReport, LabelAgreement
from bench.importing.request import ImportRequest
from bench.importing.target import find_protocol, image_shape
from bench.importing.writing import check_slug, write_submission
from bench.protocol import Protocol


@dataclass(frozen=True)
class Converted:
    """A perturbation before and after its sign was handled, int16 and int8 or int16, (N, C, H, W), 1/255 units."""

    released: NDArray[np.int16]
    values: Integers


def import_file(root: Path, request: ImportRequest) -> ImportReport:
    """Import a released file as a submission and return its report; where no budget is kept, nothing is written.

    The report then names no norm. Raises UsageProblem, InvalidSubmission, RefusedArtifact, EnvironmentProblem.
    """
    check_slug(root, request.slug)
    received = _receive(request)
    content = received.contents["data"]
    protocol = find_protocol(request.protocol, content.values.shape)
    rows = _rows(content, protocol, request)
    assigned = assign_rows(rows, received.contents.get("clean"), protocol, request)
    released = _deltas(rows, assigned, request)
    converted = Converted(released, narrowest(apply_sign(released, request.sign)))
    report = _report(request, protocol, received, rows, assigned, converted)
    return report if report.norm is None else write_submission(root, converted.values, report, request.credits)


def _receive(request: ImportRequest) -> Received:
    if request.format in WITHOUT_FILES:
        raise UsageProblem(f"format {request.format!r} cannot be imported: {WITHOUT_FILES[request.format]}")
    if request.format in FORMATS and not request.file.exists():
        raise UsageProblem(f"{request.file}: no such file or folder")
    extra = {"labels": request.labels, "clean": request.clean}
    files = {"data": request.file} | {role: path for role, path in extra.items() if path is not None}
    return read_apart(request.format, files, trust_pickle=request.trust_pickle)


def _rows(content: Content, protocol: Protocol, request: ImportRequest) -> Rows:
    """Return the rows with channels first, after checks of shape, range and labels."""
    values = channels_first(content.values, image_shape(protocol))
    low, _ = check_range(values, request.scale)
    for name, numbers in (("labels", content.labels), ("numbers", content.index)):
        if numbers is not None and len(numbers) != len(values):
            raise InvalidSubmission(f"file: {len(numbers)} {name} for {len(values)} rows")
    images = _are_images(content, low, request)
    return Rows(values, content, images, _form(values, images, protocol))


def _are_images(content: Content, low: float, request: ImportRequest) -> bool:
    if request.content != "auto":
        return request.content == "images"
    if content.meaning != "either":
        return content.meaning == "images"
    if request.clean is not None or content.values.dtype.kind in "bu":
        return True
    if low < 0 or content.values.dtype.kind == "i":
        return False
    raise UsageProblem(
        "file: no value is negative, so it may hold images, or changes without their negative half; "
        "say which with --content images or --content delta"
    )


def _form(values: NDArray[np.generic], images: bool, protocol: Protocol) -> Form:
    classes = protocol.dataset.classes
    if not images and values.ndim == 5 and values.shape[1] == classes:
        return "a bank of classes"
    if values.ndim != 4:
        raise InvalidSubmission(f"file: shape {values.shape} is neither rows of images nor a bank of {classes} classes")
    per_class = not images and len(values) == classes != protocol.dataset.train.images
    return "a row a class" if per_class else "a row an image"


def _deltas(rows: Rows, assigned: Assigned, request: ImportRequest) -> NDArray[np.int16]:
    """Return the change of each of the protocol's images, (N, C, H, W); none where there is no row."""
    missing = int((~assigned.there).sum())
    if missing and request.missing == "refuse":
        raise InvalidSubmission(
            f"file: {missing} of {len(assigned.row_of)} images have no row; with --missing zero they stay as they are"
        )
    flat = rows.values.reshape(-1, *rows.values.shape[-3:]) if rows.values.ndim == 5 else rows.values
    delta = np.zeros((len(assigned.row_of), *flat.shape[1:]), np.int16)
    for start in range(0, len(delta), CHUNK_ROWS):
        at = np.flatnonzero(assigned.there[start : start + CHUNK_ROWS]) + start
        part = flat[assigned.row_of[at]]
        if rows.images:
            clean = assigned.target.images[assigned.target.positions[at]]
            delta[at] = to_pixels(part, request.scale, request.exact_rounding).astype(np.int16) - clean
        else:
            delta[at] = to_whole_numbers(part, request.scale, request.exact_rounding)
    return delta


def _report(
    request: ImportRequest,
    protocol: Protocol,
    received: Received,
    rows: Rows,
    assigned: Assigned,
    converted: Converted,
) -> ImportReport:
    target = assigned.target
    images, labels = target.images[target.positions], target.labels[target.positions]
    measured = measure(converted.values, images, labels, protocol.budgets, request.norm)
    agreement, negative = _agreement(rows, assigned, labels), negative_share(converted.released)
    total, used = int(np.prod(rows.values.shape[:-3])), len(np.unique(assigned.row_of[assigned.there]))
    return ImportReport(
        slug=request.slug,
        protocol=protocol.id,
        format=request.format,
        shape=rows.content.values.shape,
        dtype=str(rows.content.values.dtype),
        content="images" if rows.images else "delta",
        layout="NCHW" if rows.content.values.shape[-3:] == rows.values.shape[-3:] else "NHWC",
        form=rows.form,
        order=assigned.order,
        rows=total,
        used=used,
        unused=total - used,
        missing=int((~assigned.there).sum()),
        duplicates=assigned.duplicates,
        labels=agreement,
        sign=request.sign,
        rounding=request.exact_rounding,
        negative_share=negative,
        network=received.network,
        hints=(*measured.hints, *_hints(rows, agreement, negative)),
        kind=measured.kind,
        unchanged_images=measured.unchanged_images,
        constant_images=measured.constant_images,
        norms=measured.norms,
        norm=measured.norm,
    )


def _agreement(rows: Rows, assigned: Assigned, labels: NDArray[np.int64]) -> LabelAgreement | None:
    found = rows.content.labels
    if found is None or rows.form != "a row an image":
        return None
    there = assigned.there
    agreeing = int((found[assigned.row_of[there]] == labels[there]).sum())
    return LabelAgreement(rows=int(there.sum()), agreeing=agreeing)


def _hints(rows: Rows, agreement: LabelAgreement | None, negative: float) -> list[str]:
    hints = []
    if agreement is not None and agreement.agreeing < agreement.rows:
        hints.append("labels differ from the data set's: rows may be in another order, see --order")
    if not rows.images and negative == 0:
        hints.append(
            "no value is negative: as after the released loader of EM, which drops them; "
            "if the file was saved behind it, half of the perturbation is lost"
        )
    return hints
