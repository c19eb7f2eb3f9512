"""``bin/bench``: run scenarios, print their figures."""

import argparse
import signal
import sys
import time
from importlib import import_module
from types import ModuleType

from bench import figures
from bench.ground import Ground, ground

SCENARIOS = {
    "w1": "w1_steps",
    "w2": "w2_start",
    "w3": "w3_fanout",
    "w4": "w4_memory",
    "w5": "w5_http",
    "w6": "w6_calls",
    "w7": "w7_growth",
    "w9": "w9_watchers",
    "w10": "w10_waiting",
    "durability": "durability",
    "pictures": "pictures",
}
LIMIT_S = 300  # of one scenario
DATABASES = {"postgresql": "", "sqlite": "_sqlite"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/bench", description="Measure Greenlight on this machine.")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"{' '.join(SCENARIOS)}; none: all")
    parser.add_argument("--database", choices=list(DATABASES), help="one of the two; both when left out")
    parser.add_argument("--table", action="store_true", help="a Markdown table on stdout instead of JSON")
    wanted = parser.parse_args()
    unknown = [name for name in wanted.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"no such scenario: {' '.join(unknown)}; there are {' '.join(SCENARIOS)}")
    report = figures.Report(as_table=wanted.table)
    figures.say(figures.machine())
    began, failed = time.monotonic(), []
    try:
        with ground() as stage:
            for kind in [wanted.database] if wanted.database else list(DATABASES):
                for name in wanted.scenarios or SCENARIOS:
                    if not _run(stage, kind, name, report):
                        failed.append(f"{name} on {kind}")
    finally:
        report.finish()
    figures.say(
        f"{time.monotonic() - began:.0f} s" + (f"; NOT MEASURED: {', '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


def _run(stage: Ground, kind: str, name: str, report: figures.Report) -> bool:
    """Run one scenario; one that breaks, or takes too long, is told and does not take the others with it."""
    scenario: ModuleType = import_module(f"bench.{SCENARIOS[name]}")
    if kind not in getattr(scenario, "DATABASES", DATABASES):
        return True
    figures.say(f"{name} on {kind}: {(scenario.__doc__ or '').splitlines()[0].partition(': ')[2]}")
    began = time.monotonic()
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT_S)
    try:
        for figure in scenario.measure(stage, kind):
            report.add(figure, suffix=DATABASES[kind])
    except Exception as error:  # noqa: BLE001 (the edge of the program: said, and shown in the exit code)
        figures.say(f"  FAILED: {error!r}"[:6000])
        return False
    finally:
        signal.alarm(0)
        figures.say(f"  {time.monotonic() - began:.0f} s")
    return True


def _too_long(*_: object) -> None:
    raise TimeoutError(f"not over within {LIMIT_S} s")


if __name__ == "__main__":
    sys.exit(main())
