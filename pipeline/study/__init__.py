"""The study population: who is eligible, when the clock starts, what was known before it, what happened after."""
