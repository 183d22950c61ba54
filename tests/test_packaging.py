"""The distribution as users get it: built, installed light, installed beside PrimeIntellect's `verifiers`."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "reports" / "examples" / "linear_1d"
SHIPPED = ("harness", "verifiers", "benchmarks", "reports", "src", "tests", "docs")
UV = os.environ.get("UV") or shutil.which("uv") or ""
HEAVY = ("jax", "jaxlib", "gemma", "kauldron", "flax", "orbax")
MEGABYTES = 400

pytestmark = pytest.mark.skipif(not UV, reason="needs uv")


def call(*command: object, cwd: Path = ROOT) -> str:
    """Standard output of a command that must succeed; without the variables of the environment that runs the tests."""
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT")}
    ended = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


@functools.cache
def python_311() -> str | None:
    """A Python 3.11 that is on this machine already; none is downloaded."""
    search = [UV, "python", "find", "--no-project", "--no-python-downloads", "3.11"]
    return (subprocess.run(search, capture_output=True, text=True).stdout.strip() or None) if UV else None


def environment(folder: Path, python: str = "3.12") -> Path:
    """The interpreter of a fresh, empty environment."""
    call(UV, "venv", "-q", "--no-project", "--python", python, folder)
    return folder / "bin" / "python"


def install(python: Path, *what: object) -> None:
    call(UV, "pip", "install", "-q", "--no-config", "--python", python, *what)


def uninstall(python: Path, name: str) -> None:
    call(UV, "pip", "uninstall", "-q", "--python", python, name)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what belongs to the distribution, without anything that was built."""
    folder = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "examples")
    for name in SHIPPED:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    call(UV, "build", "-q", "--wheel", "--out-dir", source / "wheel", source)
    (path,) = (source / "wheel").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def light(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the distribution without extras."""
    python = environment(tmp_path_factory.mktemp("light") / "venv")
    install(python, wheel)
    return python


def names_in(path: Path) -> set[str]:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist())
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_the_wheel_holds_every_package_and_no_links(source: Path, wheel: Path) -> None:
    code = {
        f"restem/{path.relative_to(source)}"
        for package in ("harness", "verifiers", "benchmarks", "reports")
        for path in (source / package).rglob("*")
        if path.is_file()
    }
    held = {name for name in names_in(wheel) if ".dist-info/" not in name}
    assert held == code | {"restem/__init__.py"}


def test_a_wheel_made_from_the_sdist_holds_the_same_files(source: Path, wheel: Path) -> None:
    call(UV, "build", "-q", "--sdist", "--out-dir", source / "sdist", source)
    (sdist,) = (source / "sdist").glob("*.tar.gz")
    call(UV, "build", "-q", "--wheel", "--out-dir", source / "again", sdist)
    (again,) = (source / "again").glob("*.whl")
    assert names_in(again) == names_in(wheel)


def test_the_light_install_is_small_and_has_no_jax(light: Path) -> None:
    packages = light.parents[1]
    size = sum(path.lstat().st_size for path in packages.rglob("*") if path.is_file())
    assert size / 1e6 <= MEGABYTES
    probe = "import importlib.util, sys; print([n for n in sys.argv[1:] if importlib.util.find_spec(n)])"
    assert call(light, "-c", probe, *HEAVY, cwd=light.parent).strip() == "[]"


def rows(folder: Path) -> Path:
    row = {"id": 1, "question": "Solve 3*x = 6 for x.", "reference": "2", "response": "x = 2"}
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n")
    return folder / "rows.jsonl"


def verified(python: Path, folder: Path, *verifiers: str) -> list[str]:
    """The outcomes of `restem verify` on one right row, run where no checkout can be imported from."""
    names = [part for verifier in verifiers for part in ("--verifier", verifier)]
    output = call(python.parent / "restem", "verify", *names, "--input", rows(folder), cwd=folder)
    return [json.loads(line)["outcome"] for line in output.splitlines()]


def test_the_light_install_verifies(light: Path, tmp_path: Path) -> None:
    assert verified(light, tmp_path, "exact", "sympy", "substitution") == ["correct"] * 3


REWARDS = """
from restem.verifiers.adapters import recorded, reward_function

first, second = recorded([reward_function("sympy", "trl"), reward_function("exact", "trl")], "rewards.jsonl")
call = {"prompts": ["Solve 2*x = 14 for x."] * 2, "completions": ["x = 14/2", "x = 8"], "answer": ["7"] * 2}
print(first(**call), second(**call))
"""


def check_reward_functions(python: Path, folder: Path) -> None:
    """Reward functions give rewards, and what was recorded of them is imported."""
    assert call(python, "-c", REWARDS, cwd=folder) == "[1.0, 0.0] [0.0, 0.0]\n"
    imported = call(python.parent / "restem", "import", "rewards.jsonl", "--out", "recorded", "--json", cwd=folder)
    assert json.loads(imported)["sources"][0]["imported"] == 2


def test_the_light_install_gives_reward_functions(light: Path, tmp_path: Path) -> None:
    check_reward_functions(light, tmp_path)


def test_the_light_install_serves_verifiers(light: Path, tmp_path: Path) -> None:
    command = [light.parent / "restem", "serve", "--verifier", "sympy", "--port", "0", "--while-stdin-open"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["base_url"]
        body = {"prompt": "Solve 2*x = 14 for x.", "response": "x = 7", "label": "7"}
        asked = urllib.request.Request(
            f"{address}/reward", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked) as reply:
            assert json.load(reply) == 1.0
        server.stdin.close()


def test_the_light_install_lists_policies_and_names_the_checkout_of_the_calibration_rows(light: Path) -> None:
    command = light.parent / "restem"
    assert "gemma3-1b-it" in call(command, "models", cwd=light.parent)
    ended = subprocess.run([command, "gate", "--table"], cwd=light.parent, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "in a checkout" in ended.stderr


def record(python: Path, distribution: str) -> dict[str, str]:
    """File -> SHA-256 of all that a distribution installed, below site-packages."""
    code = (
        "import importlib.metadata, json, sys\n"
        "files = importlib.metadata.files(sys.argv[1])\n"
        "print(json.dumps([str(f.locate()) for f in files if '..' not in str(f) and 'dist-info' not in str(f)]))"
    )
    paths: Sequence[str] = json.loads(call(python, "-c", code, distribution, cwd=python.parent))
    return {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths if not path.endswith(".pyc")}


IMPORTS = """
import importlib.util, sys
for name in sys.argv[1:]:
    assert importlib.util.find_spec(name), name
"""


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("ours_leaves", [True, False])
def test_it_lives_beside_the_package_verifiers(
    wheel: Path, tmp_path: Path, ours_first: bool, ours_leaves: bool
) -> None:
    python = environment(tmp_path / "venv")
    order = [wheel, "verifiers"] if ours_first else ["verifiers", wheel]
    before: dict[str, str] = {}
    for what in order:
        install(python, "--no-deps", what)
        before |= record(python, "verifiers" if what == "verifiers" else "restem-harness")
    both = {**record(python, "verifiers"), **record(python, "restem-harness")}
    assert both == before
    call(python, "-c", IMPORTS + "import restem.verifiers", "verifiers", "restem", cwd=tmp_path)
    leaving, staying = ("restem-harness", "verifiers") if ours_leaves else ("verifiers", "restem-harness")
    kept = record(python, staying)
    uninstall(python, leaving)
    assert record(python, staying) == kept
    left = "verifiers" if ours_leaves else "restem.verifiers"
    call(python, "-c", IMPORTS + ("" if ours_leaves else "import restem.verifiers"), left, cwd=tmp_path)


@pytest.mark.skipif(python_311() is None, reason="needs a Python 3.11")
def test_python_3_11_verifies_shows_and_reports(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", str(python_311()))
    install(python, wheel)
    assert verified(python, tmp_path, "exact", "sympy") == ["correct"] * 2
    run = shutil.copytree(EXAMPLE, tmp_path / "run")
    assert "sympy" in call(python.parent / "restem", "show", run, cwd=tmp_path)
    call(python.parent / "restem", "report", run, "--output", tmp_path / "report", cwd=tmp_path)
    assert (tmp_path / "report" / "report.html").is_file()
    check_reward_functions(python, tmp_path)
