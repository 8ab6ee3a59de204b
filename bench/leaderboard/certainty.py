"""Certainty: whether a stored result was found again, by whom, and how to find it once more.

Imports the records only.
"""

from collections.abc import Sequence

from bench.leaderboard.replication import whole_runs
from bench.leaderboard.shelf import Shelved
from bench.leaderboard.wording import machine_words
from bench.protocol import Tier


def certainty_sentence(results: Sequence[Shelved], stored: Shelved) -> str:
    """Say whether a result is verified, in a sentence: found again, digit for digit, by a complete run elsewhere.

    results: all of the submission. A complete run measured every cell itself, and took none from an earlier one.
    """
    whole = whole_runs(stored)
    machines = {machine_words(run.hardware) for run in whole}
    if len(machines) > 1:
        sentence = f"Verified: {len(whole)} complete runs on {len(machines)} machines found these very digits."
    elif len(whole) > 1:
        sentence = f"Measured: {len(whole)} complete runs on one machine found these very digits, none on another yet."
    else:
        sentence = "Measured, not verified yet: no second complete run is recorded."
    others = [item for item in results if item.head.key == stored.head.key and item.head.id != stored.head.id]
    if others:
        sentence += " Another run found other digits for the same question; both are among the stored results below."
    return sentence


def again_commands(slug: str, protocol: str, tier: Tier) -> str:
    """Return the commands that measure a result again and that check the stored one, a line each."""
    return (
        f"bench evaluate submissions/{slug} --protocol {protocol} --tier {tier} --fresh\n"
        f"bench verify submissions/{slug}"
    )
