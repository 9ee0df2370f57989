"""The one definition of the graph: assets, checks, job, schedule, sensor, resources."""

import logging
import os
import warnings

import dagster as dg

os.environ.setdefault("DAGSTER_REDACT_USER_CODE_ERRORS", "1")
# On this logger Dagster prints in full what it has redacted, and a message may quote the data. (It undoes `disabled`.)
logging.getLogger("dagster.redacted_errors").addFilter(lambda _: False)
# Partitions on checks are marked as a preview: tried with the version in requirements.lock, and tested.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster knows of the project."""
    import assets
    import checks
    from pipeline.orchestration.jobs import MONTHLY_RELEASE, MONTHLY_SCHEDULE, delivery_landed
    from pipeline.orchestration.resources import HOME, LANDING, PROTOCOL, PdpHome

    return dg.Definitions(
        assets=dg.load_assets_from_package_module(assets),
        asset_checks=dg.load_asset_checks_from_package_module(checks),
        jobs=[MONTHLY_RELEASE],
        schedules=[MONTHLY_SCHEDULE],
        sensors=[delivery_landed],
        executor=dg.in_process_executor,
        resources={
            "pdp": PdpHome(home=dg.EnvVar(HOME), landing=dg.EnvVar(LANDING), protocol=os.environ.get(PROTOCOL, ""))
        },
    )
