"""The method: from deliveries to an audited release. Imports without Dagster, `orchestration` excepted."""
