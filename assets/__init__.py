"""The Dagster assets: one file per step of the story, thin: the method is in `pipeline`."""
