"""The readers of run.db, with a small trained run of an earlier schema and an imported one of today."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from click.testing import Result

from tests import fuzz_mutations as damage
from tests.fuzzing import EXAMPLES, ROLLOUTS, Reader, command, lines

_SMALL: dict[str, bytes] = {}


def small_run_data(version: int = 5) -> bytes:
    """run.db of a trained run of three problems a split, as of an older schema, which has no seals."""
    if "run" not in _SMALL:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.db"
            shutil.copy(EXAMPLES / "dose_response" / "run.db", path)
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.executescript(
                    "DELETE FROM problem WHERE position > 1;"
                    "DELETE FROM sample WHERE problem NOT IN (SELECT id FROM problem) OR idx > 2;"
                    "DELETE FROM checkpoint WHERE arm LIKE '%~%'"
                    " OR (arm IS NOT NULL AND arm NOT IN ('sympy', 't50_f50'));"
                    "DELETE FROM sample WHERE checkpoint NOT IN (SELECT id FROM checkpoint);"
                    "DELETE FROM verdict WHERE sample NOT IN (SELECT id FROM sample);"
                    "DELETE FROM selection WHERE sample NOT IN (SELECT id FROM sample)"
                    " OR checkpoint NOT IN (SELECT id FROM checkpoint);"
                    "DELETE FROM probe WHERE problem NOT IN (SELECT id FROM problem);"
                    "DELETE FROM probe_verdict WHERE probe NOT IN (SELECT id FROM probe);"
                    "DELETE FROM event WHERE arm LIKE '%~%';"
                    'INSERT INTO judge_call SELECT \'x\', fingerprint, \'{"messages": [{"content": "a"}]}\','
                    " '1', 'stop', 'm', 10, 1, '[]', 0.5, 1.0, NULL, NULL FROM verifier LIMIT 1;"
                )
                suite = json.loads(db.execute("SELECT value FROM run WHERE key = 'suite'").fetchone()[0])
                suite |= {
                    "arms": [arm for arm in suite["arms"] if arm["name"] in ("sympy", "t50_f50")],
                    "replicates": 1,
                }
                db.execute("UPDATE run SET value = ? WHERE key = 'suite'", (json.dumps(suite),))
                db.commit()
                db.execute("VACUUM")
            _SMALL["run"] = path.read_bytes()
    return _SMALL["run"]


def small_run(folder: Path) -> Path:
    """A run folder with that run."""
    folder.mkdir(exist_ok=True)
    (folder / "run.db").write_bytes(small_run_data())
    return folder


def _on_run(*arguments: str) -> Callable[[Path], Result]:
    def read(path: Path) -> Result:
        words = [str(path.parent) if word == "RUN" else word for word in arguments]
        if "OTHER" in words:
            words[words.index("OTHER")] = str(small_run(path.parent / "other"))
        return command(*words)

    return read


def _imported_into(path: Path) -> Result:
    rows = path.with_name("rows.jsonl")
    rows.write_bytes(lines({"question": "1 + 1?", "response": "2", "reference": "2", "reward": 1.0}))
    return command("import", rows, "--out", path.parent, "--quiet")


def imported_run_data() -> bytes:
    """run.db of an imported run, as this version writes it."""
    if "imported" not in _SMALL:
        with tempfile.TemporaryDirectory() as folder:
            result = command("import", ROLLOUTS / "verl_0.9.1" / "v1" / "rollouts", "--out", f"{folder}/run", "--quiet")
            assert result.exit_code == 0, result.output
            with contextlib.closing(sqlite3.connect(f"{folder}/run/run.db")) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                db.execute("PRAGMA journal_mode = DELETE")
            _SMALL["imported"] = (Path(folder) / "run" / "run.db").read_bytes()
    return _SMALL["imported"]


def run_readers() -> list[Reader]:
    """The readers of run.db."""
    old, new = {"run.db": small_run_data()}, {"run.db": imported_run_data()}
    commands: dict[str, tuple[Mapping[str, bytes], Callable[[Path], Result], bool]] = {
        "show": (old, _on_run("show", "RUN"), True),
        "show, imported": (new, _on_run("show", "RUN"), True),
        "verify RUN": (old, _on_run("verify", "RUN", "--verifier", "exact", "--quiet"), True),
        "gate --from-run": (
            old,
            _on_run("gate", "--from-run", "RUN", "--verifier", "sympy", "--verifier", "t50_f50"),
            True,
        ),
        "import into": (new, _imported_into, True),
        "report": (old, _on_run("report", "RUN"), False),
        "report, imported": (new, _on_run("report", "RUN"), False),
        "report --plan": (old, _on_run("report", "RUN", "--plan"), False),
        "compare": (old, _on_run("compare", "RUN", "OTHER"), False),
    }
    return [
        Reader(name=f"run.db: {name}", seeds=seeds, mutate=damage.sql_mutated, read=read, is_quick=quick)
        for name, (seeds, read, quick) in commands.items()
    ]


def marks_of_the_small_run() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        path.write_bytes(small_run_data())
        with contextlib.closing(sqlite3.connect(path)) as db:
            samples = db.execute(
                "SELECT s.id, p.question, p.reference, s.text FROM sample s JOIN problem p ON p.id = s.problem LIMIT 3"
            ).fetchall()
    marks = ("right", "wrong", "cannot tell")
    labels = ("correct", "wrong", None)
    return lines(
        *(
            {
                **{"sample": str(id), "verifier": "human:ada", "mark": mark, "label": label},
                **{"question": question, "reference": reference, "response": text},
            }
            for (id, question, reference, text), mark, label in zip(samples, marks, labels, strict=True)
        )
    )


def labels_of_the_small_run() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        run = small_run(Path(folder) / "run")
        out = Path(folder) / "labels.jsonl"
        result = command("label", run, "--count", 8, "--out", out, "--verifier", "t50_f50")
        assert result.exit_code == 0, result.output
        return out.read_bytes().replace(b'"label": ""', b'"label": true')
