"""What the processes of a dyno load: counted, since every module is memory that a small machine lacks."""

import os
import subprocess
import sys

_LOAD = """
import sys
from app.core import lean
lean.begin()
from app import supervisor
from app.core.settings import Settings
app = supervisor.load(Settings.from_env())
shared = set(sys.modules)
with app.app_context():
    from app.features.ai import service
    service.warm()
import openai
from openai.types.chat import ChatCompletion
assert ChatCompletion.model_rebuild() is not False
assert openai.types.Image is openai.types.image.Image
for package in ("openai.types.responses", "redis.asyncio"):
    try:
        sys.modules[package].nothing_of_that_name
    except AttributeError as error:
        assert package in str(error)
    else:
        raise AssertionError(package)
from redis.asyncio import Redis
assert Redis.__module__ == "redis.asyncio.client"
heavy = "pydantic_ai pygments numpy docx pillow_heif redis.asyncio.cluster sqlalchemy.dialects.mysql"
print(len(shared), len(set(sys.modules) - shared), *(name for name in heavy.split() if sys.modules.get(name)))
"""
SHARED, OF_THE_WORKER = 1350, 200  # modules: some more than there are, so that a library of any size is noticed


def test_the_dyno_loads_few_modules_and_what_is_loaded_late_is_whole() -> None:
    variables = {"GREENLIGHT_ENV": "test", "OPENAI_API_KEY": "x", "SECRET_KEY": "only for tests", "DATABASE_URL": ""}
    found = subprocess.run(
        [sys.executable, "-c", _LOAD],
        env={**os.environ, **variables}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, "")
    shared, of_the_worker, *heavy = found.stdout.split()
    assert heavy == []
    assert int(shared) < SHARED
    assert int(of_the_worker) < OF_THE_WORKER
