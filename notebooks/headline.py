"""The headline of a published release, its curves and its savings: reads published files alone.

Open it with `marimo edit notebooks/headline.py`, or as a page with `marimo run notebooks/headline.py`.
Another release: `-- --release path/to/release=2024-06`, or PDP_RELEASE.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="PDP: headline")


@app.cell
def _():
    import os
    from pathlib import Path

    import altair as alt
    import marimo as mo
    import pandas as pd

    return Path, alt, mo, os, pd


@app.cell
def _(Path, mo, os, pd):
    asked = mo.cli_args().get("release") or os.environ.get("PDP_RELEASE") or "territory/home/published/latest"
    release = Path(str(asked))
    mo.stop(
        not (release / "tables").is_dir(),
        mo.md(f"No release in `{release}`: make one with `make run`, or name another with PDP_RELEASE."),
    )

    def table(name):
        """One published table."""
        return pd.read_parquet(release / "tables" / f"{name}.parquet")

    return (table,)


@app.cell
def _(mo, table):
    impact = table("impact")
    headline = impact[impact["is_headline"]]
    mo.stop(headline.empty, mo.md("This release has no headline row: nobody was eligible."))
    row = headline.iloc[0]
    if row["suppressed"] or headline["difference"].isna().all():
        said = f"# The effect is withheld\n\nReason: `{row['suppression_reason']}`. What it means: see `synthese.html`."
    else:
        direction = "fewer" if row["difference"] < 0 else "more"
        interval = (
            "no interval: too few départements have a platform"
            if headline[["ci_low", "ci_high"]].isna().any(axis=None)
            else f"95 % interval {row['ci_low']:.1f} to {row['ci_high']:.1f}"
        )
        said = (
            f"# {abs(row['difference']):.1f} {direction} days on leave\n\n"
            f"over {row['horizon_months']} months, per person whose département had an open platform, against alike "
            f"persons elsewhere ({interval}). Release {row['release']}."
        )
    mo.md(said)
    return (impact,)


@app.cell
def _(alt, impact, mo):
    shown = impact[(impact["outcome"] == "days_on_leave") & impact["difference"].notna()].assign(
        group=lambda rows: rows["stratum_type"] + ": " + rows["stratum"],
        months=lambda rows: rows["horizon_months"].astype(str) + " months",
    )
    points = alt.Chart(shown).encode(
        y=alt.Y("group:N", title=None),
        x=alt.X("difference:Q", title="days on leave, treated minus comparison (left is fewer)"),
        tooltip=["estimand", "group", "months", "difference", "ci_low", "ci_high"],
    )
    effects = points.mark_point(filled=True, size=60) + points.mark_rule().encode(x="ci_low:Q", x2="ci_high:Q")
    mo.vstack(
        [
            mo.md("## By group\n\nPre-specified groups; where no interval is drawn none can be computed."),
            effects.facet(row="estimand:N", column="months:N")
            if len(shown)
            else mo.md("Every difference is withheld."),
        ]
    )
    return


@app.cell
def _(alt, mo, table):
    returns = table("return_to_work_curve")
    returns = returns[(returns["event"] == "sustained_return_to_work") & returns["cumulative_incidence"].notna()]
    on_leave = table("on_leave_curve")
    on_leave = on_leave[on_leave["share_on_leave"].notna()]

    def curve(rows, value, title):
        """Both arms with their bands, one panel per estimand."""
        base = alt.Chart(rows).encode(x=alt.X("week:Q", title="weeks after time zero"), color="arm:N")
        band = base.mark_area(opacity=0.2).encode(y="ci_low:Q", y2="ci_high:Q")
        line = base.mark_line().encode(y=alt.Y(f"{value}:Q", title=title, axis=alt.Axis(format="%")))
        return (band + line).facet("estimand:N")

    mo.vstack(
        [
            mo.md("## After time zero"),
            curve(returns, "cumulative_incidence", "have returned to work durably"),
            curve(on_leave, "share_on_leave", "on leave"),
        ]
    )
    return


@app.cell
def _(alt, mo, table):
    savings = table("savings")
    known = savings[savings["net_eur_per_person"].notna()]
    net = alt.Chart(known).encode(
        x=alt.X("horizon_months:O", title="months"),
        tooltip=["gross_eur_per_person", "cost_eur_per_person", "net_eur_per_person", "probability_net_positive"],
    )
    drawn = net.mark_bar(opacity=0.6).encode(
        y=alt.Y("net_eur_per_person:Q", title="net euros per person")
    ) + net.mark_rule(size=2).encode(y="net_ci_low:Q", y2="net_ci_high:Q")
    mo.vstack(
        [
            mo.md("## Savings\n\nWhat was not paid, minus what the platforms cost; below zero is a cost."),
            drawn.facet(row="estimand:N", column="perimeter:N") if len(known) else mo.md("Every saving is withheld."),
            mo.ui.table(savings, selection=None),
        ]
    )
    return


@app.cell
def _(mo, table):
    masked = table("disclosure")
    mo.vstack(
        [
            mo.md("## What is not shown\n\nCells masked so that no group of fewer than *k* persons can be told apart."),
            mo.ui.table(masked, selection=None),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
