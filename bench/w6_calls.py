"""w6: 100 runs at once, each inside one AI call of 5 s, by 2 worker processes; how soon one more run starts meanwhile.

The AI service is a real HTTP server of ours on this machine that answers after 5 s.
"""

import threading
import time
from collections.abc import Iterator

from bench import figures, seed
from bench.figures import Figure
from bench.ground import Ground
from bench.w2_start import starts_ms
from tests.fakes.openai_server import FakeOpenAI, Reply

RUNS, CALL_S = 100, 5.0
IDLE_STARTS, STARTS = 30, 25
COPY = [
    {
        "id": "ads",
        "type": "generate_copy",
        "name": "Write",
        "config": {"prompt": "{{ inputs.offer }}", "count": 1},
    }
]


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    with FakeOpenAI() as ai:
        ai.always("chat", Reply(latency_s=CALL_S))
        with ground.house(
            kind, web=True, workers=2, clock=True, OPENAI_BASE_URL=ai.url, OPENAI_API_KEY="sk-bench",
        ) as house:  # fmt: skip
            quick = seed.team(house, seed.chain(1))
            slow = seed.team(house, COPY)
            slow.start(4)  # opens connections, loads what the first call loads
            slow.wait_ended()
            idle = starts_ms(quick, IDLE_STARTS)[5:]
            began = time.time()
            slow.start(RUNS)
            ended: list[float] = []
            waiting = threading.Thread(target=lambda: ended.append(_until_ended(slow)))
            time.sleep(1.0)  # every call is under way, none has its answer
            during = starts_ms(quick, STARTS, pause_s=0.12)
            waiting.start()
            waiting.join()
            quick.check_completed(4 + RUNS + IDLE_STARTS + STARTS)
            took_s = slow.last_end() - began
    yield figures.of("w6_concurrent_s", [took_s], "s")
    yield figures.of("w6_start_ms", during, "ms")
    yield figures.of("w6_start_ratio", [figures.middle(during) / figures.middle(idle)], "×")


def _until_ended(team: seed.Team) -> float:
    team.wait_ended()
    return time.time()
