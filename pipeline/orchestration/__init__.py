"""Dagster plumbing: how the steps become one graph, three ways in (UI, schedule, `pdp run`)."""
