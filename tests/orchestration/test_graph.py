"""The graph is the story: ingest, pseudonymise, leave, cohort, matching, outcomes, anonymise, publish."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from pipeline.orchestration.definitions import defs
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.steps import JUDGED

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return defs()


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


@pytest.fixture(scope="module")
def checks(definitions: dg.Definitions) -> list[dg.AssetCheckSpec]:
    graph = definitions.resolve_asset_graph()
    return [graph.get_check_spec(key) for key in graph.asset_check_keys]


def test_each_asset_follows_the_one_before_as_in_the_story(specs: dict[str, dg.AssetSpec]) -> None:
    drawn = {
        name: (spec.group_name, [dep.asset_key.to_user_string() for dep in spec.deps]) for name, spec in specs.items()
    }
    assert drawn == {
        "deliveries": ("ingest", []),
        "pseudonymised": ("pseudonymise", ["deliveries"]),
        "texts": ("pseudonymise", ["pseudonymised"]),
        "leaves": ("leave", ["pseudonymised"]),
        "cohort": ("cohort", ["leaves"]),
        "matches": ("matching", ["cohort"]),
        "outcomes": ("outcomes", ["matches"]),
        "effects": ("outcomes", ["outcomes"]),
        "anonymised": ("anonymise", ["effects", "texts"]),
        "release": ("publish", ["anonymised"]),
    }


def test_every_asset_is_monthly_in_paris_time(specs: dict[str, dg.AssetSpec]) -> None:
    assert {spec.partitions_def for spec in specs.values()} == {MONTHS}
    assert MONTHS.timezone == "Europe/Paris"


def test_the_partition_of_a_month_exists_from_its_first_day_in_paris(specs: dict[str, dg.AssetSpec]) -> None:
    def last(now: dt.datetime) -> str:
        with dg.partition_loading_context(effective_dt=now):
            return MONTHS.get_last_partition_key() or ""

    # Half past midnight of 1 July in Paris is still 30 June in London.
    assert last(dt.datetime(2024, 7, 1, 0, 30, tzinfo=PARIS)) == "2024-07"
    assert last(dt.datetime(2024, 6, 30, 23, 30, tzinfo=PARIS)) == "2024-06"
    assert MONTHS.get_partition_keys()[0] == "2015-01"


def test_every_asset_says_what_it_is_and_which_columns_it_writes(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        assert spec.description, name
        if name != "effects":
            columns = spec.metadata["dagster/column_schema"].columns
            assert all(column.description for column in columns), name
    columns = {column.name for column in specs["deliveries"].metadata["dagster/column_schema"].columns}
    assert {"beneficiaries.nir", "payment_lines.flow_date"} <= columns


def test_the_published_release_is_expected_every_month(specs: dict[str, dg.AssetSpec]) -> None:
    policy = specs["release"].freshness_policy
    assert (policy.deadline_cron, policy.timezone) == ("0 12 10 * *", "Europe/Paris")


def test_no_step_is_tried_again_by_itself(definitions: dg.Definitions) -> None:
    nodes = definitions.resolve_job_def("monthly_release").nodes
    assert {node.definition.retry_policy for node in nodes} == {None}


def test_schema_quality_and_privacy_block_while_balance_and_placebo_withhold(checks: list[dg.AssetCheckSpec]) -> None:
    found = {(spec.asset_key.to_user_string(), spec.name): spec.blocking for spec in checks}
    past_the_border = ("pseudonymised", "texts", "leaves", "cohort", "matches", "outcomes", "effects", "anonymised")
    assert found == {
        **{(asset, "no_identifier"): True for asset in past_the_border},
        **{(asset, "schema"): True for asset in ("deliveries", *past_the_border[:6])},
        ("deliveries", "accounting"): True,
        ("deliveries", "quarantined_share"): True,
        ("texts", "no_record_identifier"): True,
        ("anonymised", "small_counts"): True,
        ("anonymised", "microdata_classes"): True,
        ("anonymised", "rounded_counts"): True,
        ("anonymised", "masked_figures"): True,
        ("anonymised", "coherent_figures"): True,
        ("anonymised", "attacks"): True,
        ("anonymised", "frozen_quarters"): True,
        ("anonymised", "increments"): True,
        ("matches", "balance_gate"): False,
        ("effects", "placebo_tests"): False,
    }


def test_every_privacy_check_is_blocking() -> None:
    import checks.privacy as privacy

    declared = [value for value in vars(privacy).values() if isinstance(value, dg.AssetChecksDefinition)]
    specs = [spec for check in declared for spec in check.check_specs]
    assert len(specs) == 17
    assert all(spec.blocking for spec in specs)


def test_a_family_of_failures_is_read_by_a_check_or_stops_its_step(checks: list[dg.AssetCheckSpec]) -> None:
    reads = {
        "ingest": ("deliveries", {"quality": "quarantined_share"}),
        "pseudonymise": ("pseudonymised", {"privacy": "no_identifier"}),
        "matching": ("matches", {"balance": "balance_gate"}),
        "effects": ("effects", {"placebo": "placebo_tests"}),
        "anonymise": ("anonymised", {"privacy": "small_counts"}),
    }
    present = {(spec.asset_key.to_user_string(), spec.name) for spec in checks}
    assert {step: set(families) for step, (_, families) in reads.items()} == JUDGED
    assert all((asset, check) in present for asset, families in reads.values() for check in families.values())


def test_the_schedule_asks_on_the_5th_at_six_in_paris_for_the_month_just_begun(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def("monthly_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 6 5 * *", "Europe/Paris")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    for month, offset in ((1, 1), (7, 2)):
        tick = dt.datetime(2024, month, 5, 6, 0, tzinfo=PARIS)
        assert tick.utcoffset() == dt.timedelta(hours=offset)
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_schedule_context(
                instance=instance, scheduled_execution_time=tick, repository_def=definitions.get_repository_def()
            )
            (request,) = schedule.evaluate_tick(context).run_requests or []
        assert request.partition_key == f"2024-{month:02d}"
