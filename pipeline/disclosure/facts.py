from pipeline.release.facts import Attack, Fidelity, Microdata, ReleaseFacts, Sums  # noqa
