"""The commands `bench challenge` and `bench unlearn`: parse, call one function, print."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Device(StrEnum):
    """Where networks are trained; part of a recipe, so there is no `auto`."""

    cpu = "cpu"
    cuda = "cuda"


class Tier(StrEnum):
    """How many kits of a protocol."""

    quick = "quick"
    full = "full"


Root = Annotated[Path, typer.Option("--root", help="Folder that holds submissions/ and site/.", show_default="here")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="worker processes", show_default="cores")]
WhichTier = Annotated[Tier, typer.Option("--tier", help="which kits")]
WhichDevice = Annotated[Device, typer.Option("--device", help="where networks are trained")]


def challenge(
    protocol: Annotated[str, typer.Argument(help="id of an unlearning protocol")],
    out: Annotated[
        Path | None, typer.Option("--out", help="where to write", show_default="challenges/PROTOCOL")
    ] = None,
    tier: WhichTier = Tier.full,
    device: WhichDevice = Device.cpu,
    jobs: Jobs = None,
    root: Root = Path(),
) -> None:
    """Write the public challenge kits: poisoned training set, forget indices, original checkpoint."""
    from bench.challenge_secret import SECRET_VARIABLE, read_secret
    from bench.unlearning_crafting import write_kits
    from bench.unlearning_protocol import load_unlearning_protocol

    asked = load_unlearning_protocol(protocol)
    if read_secret().opened:
        note = f"open challenge: noise and targets derive from the published seed; {SECRET_VARIABLE}=FILE hides them"
        typer.echo(note, err=True)
    folder = out or Path("challenges") / asked.id
    kits = write_kits(root, asked, out=folder, tier=tier.value, device=device.value, jobs=jobs, report=_say)
    typer.echo(f"{len(kits)} kits in {folder}")


def unlearn(
    unlearner: Annotated[str, typer.Argument(help="name of an unlearner, see `bench list unlearners`")],
    protocol: Annotated[str, typer.Option("--protocol", help="id of the unlearning protocol")],
    slug: Annotated[
        str | None, typer.Option("--slug", help="Name of the submission folder.", show_default="the unlearner")
    ] = None,
    budget: Annotated[int, typer.Option("--budget", help="percent of training compute it may spend")] = 10,
    tier: WhichTier = Tier.full,
    device: WhichDevice = Device.cpu,
    jobs: Jobs = None,
    root: Root = Path(),
) -> None:
    """Make a reference unlearning submission: one checkpoint for each probe and seed."""
    from bench.unlearning_crafting import make_submission
    from bench.unlearning_protocol import load_unlearning_protocol

    made = make_submission(
        root,
        unlearner,
        load_unlearning_protocol(protocol),
        slug=slug or unlearner,
        budget=budget,
        tier=tier.value,
        device=device.value,
        jobs=jobs,
        report=_say,
    )
    share = f"at most {made.largest_share:.1%} of training compute each"
    typer.echo(f"{made.folder}: {made.checkpoints} checkpoints, {share}")


def _say(line: str) -> None:
    typer.echo(line, err=True)
