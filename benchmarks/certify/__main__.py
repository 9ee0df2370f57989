"""Hold the study's estimates against the truth of many drawn worlds.

  python -m benchmarks.certify --effect null moderate heterogeneous --worlds 200 --jobs 2
  python -m benchmarks.certify --effect selection --worlds 50
  python -m benchmarks.certify --effect moderate --worlds 200 --summary     print what is stored, draw nothing

Each effect is drawn with the seeds 1 to WORLDS, none left out. A world goes through the study part of the road (leaves,
cohort, matching, outcomes, differences), whatever its gate says, and its estimates are set beside the truth that the
simulator computes from both paths of every insured. One line a world is added to
benchmarks/results/certify_<effect>_<persons>.jsonl as it is done: a stopped run of the same code goes on where it was,
a run of other code starts anew.

What is printed, by estimand and outcome at 12 months:
  coverage   share of the 95 % intervals that hold the truth, with its Wilson interval. Goal: 95 % lies in the latter,
             and coverage is at least 92 %. Beside it, coverage among the worlds whose gate did not fail.
  bias       mean of estimate - truth with its Monte Carlo standard error, and as a share of the mean effect.
  width      mean width of the interval; se/SD: mean standard error over the standard deviation of estimate - truth
             between worlds (1: right on average); ideal: mean width over that of the shortest symmetric interval with
             95 %, 2 x 1.96 SD, which only someone who has seen all worlds can draw.
  power      share of the intervals that exclude zero: false alarms where nothing happens (goal: 5 % lies in the Wilson
             interval).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.certify.store import Store
from benchmarks.certify.summary import summary
from benchmarks.certify.world import certify
from pipeline.simulation import EFFECTS

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Worlds are what runs in parallel: within one, a second thread would only wait for a core."""


def run(store: Store, seeds: list[int], jobs: int) -> None:
    """Draw and study the worlds that are not stored yet, `jobs` at a time."""
    effect, persons = str(store.header["effect"]), int(str(store.header["persons"]))
    done = {record["seed"] for record in store.records()}
    left = [seed for seed in seeds if seed not in done]
    if not left:
        return
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # read by the processes started below
    columns = (
        TextColumn("{task.description:>13}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    spawn = multiprocessing.get_context("spawn")
    with Progress(*columns) as bars, ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        bar = bars.add_task(effect, total=len(seeds), completed=len(seeds) - len(left))
        pending = [pool.submit(certify, effect, seed, persons) for seed in left]
        try:
            for future in as_completed(pending):
                store.add(future.result())
                bars.advance(bar)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    store.tidy()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.certify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--effect", nargs="+", choices=sorted(EFFECTS), default=["null"], metavar="EFFECT",
                        help=f"one or more of {', '.join(EFFECTS)} (default: null)")  # fmt: skip
    parser.add_argument("--worlds", type=int, default=200, help="seeds 1 to this number (default: 200)")
    parser.add_argument("--persons", type=int, default=48_000, help="insured of each world (default: 48000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worlds at a time (default: all cores)")
    parser.add_argument("--summary", action="store_true", help="print what is stored, draw nothing")
    args = parser.parse_args()
    if min(args.worlds, args.jobs, args.persons) < 1:
        parser.error("--worlds, --jobs and --persons must be at least 1")
    for effect in args.effect:
        store = Store(effect, args.persons)
        if args.summary and not store.is_mine():
            print(f"{store.path.name}: made by other code than this, or not made yet")
        if not args.summary:
            run(store.open(), list(range(1, args.worlds + 1)), args.jobs)
        records = [record for record in store.records() if record["seed"] <= args.worlds]
        print("\n".join(summary(effect, records)), flush=True)


if __name__ == "__main__":
    main()
