"""ImportReport: what was measured of a released file, as a record and as text.

May import pydantic and bench.records.
"""

from typing import Literal

from pydantic import Field

from bench.records import Record


class LabelAgreement(Record):
    """How many rows carry the label of the image they belong to; agreeing: None where rows carry no label."""

    rows: int
    agreeing: int


class NormFit(Record):
    """One norm: the largest and the mean change of an image, the protocol's limit and whether it is kept.

    linf in 1/255, l2 of a 0-to-1 image, l0 in pixels; all on the images that are trained on. allowed: by the protocol.
    """

    norm: Literal["linf", "l2", "l0"]
    largest: float
    mean: float
    limit: float | None
    fits: bool
    detail: str = ""


class ImportReport(Record):
    """Everything a user should see before the submission goes out.

    rows: in the file. used: rows that the submission takes. missing: images without a row. duplicates: images equal to
    another one, told apart by order. norm: the one that the manifest names, None where no budget is kept.
    """

    schema_: Literal["bench.import/1"] = Field("bench.import/1", alias="schema")
    slug: str
    protocol: str
    format: str
    shape: tuple[int, ...]
    dtype: str
    content: Literal["delta", "images"]
    layout: Literal["NCHW", "NHWC"]
    form: Literal["a row an image", "a row a class", "a bank of classes"]
    order: Literal["index", "class", "match", "clean"]
    rows: int
    used: int
    unused: int
    missing: int
    duplicates: int
    labels: LabelAgreement | None
    sign: Literal["signed", "official"]
    rounding: Literal["nearest", "truncate"]
    kind: Literal["sample-wise", "class-wise"]
    negative_share: float
    unchanged_images: int
    constant_images: int
    norms: tuple[NormFit, ...]
    norm: Literal["linf", "l2", "l0"] | None
    network: Literal["none", "open"]
    hints: tuple[str, ...]
    sha256: str | None = None
    bytes: int | None = None


def format_report(report: ImportReport) -> str:
    """Return a report as lines of text."""
    lines = [
        (
            "file",
            f"{' x '.join(map(str, report.shape))} {report.dtype}, {report.layout}, {report.form}: {report.content}",
        ),
        ("order", _order(report)),
        ("labels", _labels(report.labels)),
        ("quantized", f"{report.rounding}, {report.sign}"),
        ("kind", report.kind),
        ("negative", f"{report.negative_share:.1%} of the changed values"),
        ("images", f"{report.unchanged_images} unchanged, {report.constant_images} of one color"),
        *((fit.norm, _norm(fit)) for fit in report.norms),
        ("network", "none" if report.network == "none" else "refused by the interpreter alone; see docs/importing.md"),
        *(("hint", hint) for hint in report.hints),
    ]
    return "\n".join(f"{name:<10} {text}" for name, text in lines)


def _order(report: ImportReport) -> str:
    how = {
        "index": "as in the training set",
        "class": "the j-th row of a class is its j-th image",
        "match": "recovered: each row belongs to the nearest image of its class",
        "clean": "recovered from the clean file",
    }[report.order]
    parts = [f"{report.used} of {report.rows} rows used"]
    parts += [f"{report.missing} images without a row"] * bool(report.missing)
    parts += [f"{report.duplicates} equal images told apart by order"] * bool(report.duplicates)
    return f"{how}; {', '.join(parts)}"


def _labels(labels: LabelAgreement | None) -> str:
    return "none in the file" if labels is None else f"{labels.agreeing} of {labels.rows} agree with the data set"


def _norm(fit: NormFit) -> str:
    found = f"largest {fit.largest:g}, mean {fit.mean:.4g}"
    if fit.limit is None:
        return f"{found}; not a norm of the protocol"
    return f"{found}; limit {fit.limit:g}: {'kept' if fit.fits else f'exceeded, {fit.detail}'}"
