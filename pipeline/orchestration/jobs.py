"""The job over the whole graph, its monthly schedule, and the sensor that sees a delivery land."""

import hashlib
import json
from pathlib import Path

import dagster as dg

from pipeline.home import Landing
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.resources import PdpHome

MONTHLY_RELEASE = dg.define_asset_job(
    "monthly_release",
    selection=dg.AssetSelection.all(),
    description="One release: from the month's delivery to the published folder.",
    executor_def=dg.in_process_executor,
)
"""In process: a month is a chain, and starting a process per step costs more than the small steps themselves."""

MONTHLY_SCHEDULE = dg.build_schedule_from_partitioned_job(
    MONTHLY_RELEASE,
    name="monthly_schedule",
    day_of_month=5,
    hour_of_day=6,
    description="The 5th at 06:00, Paris: the month just begun, whose delivery carries the payments of the one before.",
)
"""Off until switched on in the UI."""


def fingerprint(folder: Path) -> str:
    """Names, sizes and dates of a delivery's files: changes while a copy is still going on, needs no reading."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    seen = [(path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(seen).encode()).hexdigest()


@dg.sensor(job=MONTHLY_RELEASE, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.STOPPED)
def delivery_landed(context: dg.SensorEvaluationContext, pdp: PdpHome) -> dg.SensorResult | dg.SkipReason:
    """Asks for the release of the newest delivery once it has landed and stopped changing.

    The newest only: a release takes in every earlier delivery. A delivery counts as complete when two looks in a row
    see the same files; when one changes again, its release is asked for again. The first look asks for nothing when
    that month is published already.
    """
    landing = Landing(Path(pdp.landing))
    months = landing.deliveries(max(MONTHS.get_partition_keys())) if landing.root.is_dir() else []
    if not months:
        return dg.SkipReason("no delivery has landed")
    month = months[-1]
    before = json.loads(context.cursor) if context.cursor else {}
    now = fingerprint(landing.delivery(month))
    asked = before.get("asked", "")
    known = {"month": month, "seen": now, "asked": asked}
    if not before and month in pdp.place().releases():
        return dg.SensorResult(skip_reason=f"release {month} is published", cursor=json.dumps({**known, "asked": now}))
    if asked == now:
        return dg.SkipReason(f"delivery {month} has not changed since its release was asked for")
    if before.get("seen") != now:
        return dg.SensorResult(skip_reason=f"delivery {month} is still landing", cursor=json.dumps(known))
    request = dg.RunRequest(run_key=f"{month}:{now}", partition_key=month)
    return dg.SensorResult(run_requests=[request], cursor=json.dumps({**known, "asked": now}))
