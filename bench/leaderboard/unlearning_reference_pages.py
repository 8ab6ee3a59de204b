"""Reference pages of the unlearning track: its protocols.

Imports the records and the reference pages of the UE track; never torch.
"""

from bench.leaderboard.contexts import Fact
from bench.leaderboard.figures import DataTable
from bench.leaderboard.reference_pages import data_facts, recipe_facts
from bench.leaderboard.sources import Sources
from bench.leaderboard.unlearning_contexts import UnlearningProtocolContext
from bench.leaderboard.unlearning_order import margin_words
from bench.leaderboard.wording import list_words, probe_words, setting_words
from bench.unlearning_protocol import ProbeCondition, Setting, UnlearningProtocol


def unlearning_protocol_contexts(
    sources: Sources,  # noqa: ARG001 - every page takes the sources
    protocol: UnlearningProtocol,
) -> list[UnlearningProtocolContext]:
    """Gather the page of an unlearning protocol."""
    return [
        UnlearningProtocolContext(
            path=f"protocols/{protocol.id}/index.html",
            title=f"Protocol {protocol.id}",
            description=f"Every setting of the protocol {protocol.id}: {protocol.title}.",
            section="unlearning",
            id=protocol.id,
            summary=protocol.summary,
            notes=protocol.notes,
            groups=_settings(protocol),
            probes=_probes(protocol),
        )
    ]


def _settings(protocol: UnlearningProtocol) -> tuple[tuple[str, tuple[Fact, ...]], ...]:
    return (
        ("Data", data_facts(protocol)),
        *((f"Probe: {probe_words(item.probe)}", _probe_facts(item)) for item in protocol.probes),
        ("Network and training recipe", (Fact("Network", protocol.model), *recipe_facts(protocol.recipe))),
        ("Budget of an unlearner", _budget_facts(protocol)),
        ("Measuring", _metric_facts(protocol)),
        *(
            (f"Settings of the reference unlearner {name}", _setting_facts(settings))
            for name, settings in sorted(protocol.unlearners.items())
        ),
        ("Identity", (Fact("Digest of all settings", protocol.sha256, code=True),)),
    )


def _probe_facts(condition: ProbeCondition) -> tuple[Fact, ...]:
    return (
        Fact("Items to forget", f"{condition.count:,}"),
        Fact("Role", "primary; counts for the worst case too" if condition.primary else "counts for the worst case"),
        *_setting_facts(condition.settings),
    )


def _setting_facts(settings: dict[str, Setting]) -> tuple[Fact, ...]:
    return tuple(Fact(name, setting_words(value)) for name, value in settings.items())


def _budget_facts(protocol: UnlearningProtocol) -> tuple[Fact, ...]:
    return (
        Fact("Largest share", f"{protocol.budget.share * 100:g}\u202f% of the compute of training the original"),
        Fact("Levels", f"{list_words(map(str, protocol.budget.levels))}\u202f%"),
    )


def _metric_facts(protocol: UnlearningProtocol) -> tuple[Fact, ...]:
    metrics = protocol.metrics
    return (
        Fact("Gaussian noise counts as gone", f"within {margin_words(protocol)} of 0, by equivalence test at 5 %"),
        Fact("Relearning", f"at most {metrics.relearn_epochs} epochs, learning rate {metrics.relearn_rate:g}"),
        Fact("Membership attacks", f"fitted on at most {metrics.membership_limit:,} examples a side"),
        Fact("Distributions of models", f"need {metrics.distribution_models} checkpoints of one forget set"),
    )


def _probes(protocol: UnlearningProtocol) -> DataTable:
    return DataTable(
        "Probes: the poisons that every submission has to make a network forget",
        ("probe", "role", "items to forget", "seeds, quick tier", "seeds, full tier"),
        tuple(
            (
                probe_words(condition.probe),
                "primary, worst case" if condition.primary else "worst case",
                f"{condition.count:,}",
                str(condition.seeds.quick),
                str(condition.seeds.full),
            )
            for condition in protocol.probes
        ),
    )
