"""Read a monthly delivery: typed, translated, quarantined, counted. The only place that knows file formats."""
