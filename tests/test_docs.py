"""README.md and docs/ name only what exists: files, functions, dotted names, commands and their options."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from restem.benchmarks.problem import Problem
from restem.harness.cli.main import main
from restem.verifiers.exact.sympy_exact import Sympy

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = ("harness", "verifiers", "benchmarks", "reports")
FILES = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*")}
CODE = re.compile(r"```[a-z]*\n(.*?)```|`([^`\n]+)`|^ {4}(\S[^\n]*)$", re.DOTALL | re.MULTILINE)
DEFINED = re.compile(r"((?:`\w+`(?:, | and )?)+) (?:in|\()\s?`([\w/]+\.py)`")


def code(page: Path) -> Iterator[str]:
    """All that a page sets as code: blocks, indented lines and words in backticks."""
    for match in CODE.finditer(page.read_text("utf-8")):
        yield next(group for group in match.groups() if group)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    names = {name for part in code(page) for name in re.findall(r"(?<![\w./])[\w./-]+\.(?:py|toml|md|txt)\b", part)}
    ours = {name for name in names if name.startswith((*(f"{folder}/" for folder in FOLDERS), "docs/", "tests/"))}
    plain = {name for name in names if "/" not in name and name.endswith(".py")} - {"mine.py"}
    assert {name for name in ours if not (ROOT / name).exists()} | {name for name in plain - FILES} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"(tests/\w+\.py)::(\w+)", page.read_text("utf-8"))
    assert [f"{file}::{name}" for file, name in named if name not in definitions(ROOT / file)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def readable(references: list[str]) -> set[str]:
    """Those of the references that the default gold can read."""
    problems = [
        Problem(id=text, question="What is it?", reference=text, split="test", source="docs") for text in references
    ]
    return set(references) - {problem.id for problem, _ in Sympy().unreadable_references(problems)}


def test_the_gold_reads_the_references_that_the_docs_list_and_not_those_that_they_exclude() -> None:
    _, table, rest = re.split(
        "<!-- what the gold reads: -->|<!-- end -->", (ROOT / "docs" / "verifiers.md").read_text("utf-8")
    )[:3]
    listed = [text for row in table.splitlines()[3:] for text in re.findall("`([^`]+)`", row)]
    (excluded,) = re.findall(r"\(([^()]*`\\int[^\n]*)\) are not read", rest)
    assert len(listed) > 40
    assert readable(listed) == set(listed)
    assert readable(re.findall("`([^`]+)`", excluded)) == set()


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something that a module holds."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            spec = importlib.util.find_spec(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        if spec is not None:
            thing = importlib.import_module(".".join(parts[:length]))
            for part in parts[length:]:
                if not hasattr(thing, part):
                    return False
                thing = getattr(thing, part)
            return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_dotted_names_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    names = set(re.findall(r"\brestem(?:\.[A-Za-z_]\w*)+", text))
    names |= {
        f"{module}.{word.strip()}"
        for module, words in re.findall(r"from (restem[\w.]*) import ([\w, ]+)", text)
        for word in words.split(",")
    }
    assert {name for name in names if not exists(name)} == set()


@functools.cache
def definitions(path: Path) -> set[str]:
    """The functions, methods, classes and constants that a file defines."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_the_notebooks_map_names_what_the_files_define() -> None:
    missing = []
    for names, file in DEFINED.findall((ROOT / "docs" / "notebook.md").read_text("utf-8")):
        known = definitions(ROOT / file)
        missing += [f"{name} in {file}" for name in re.findall(r"`(\w+)`", names) if name not in known]
    assert missing == []


def commands(part: str) -> Iterator[list[str]]:
    """The words of every `restem ...` in a piece of code, each command by itself."""
    for line in part.replace("\\\n", " ").splitlines():
        for command in re.split(r"[|;]|&&", line.partition("#")[0]):
            if match := re.search(r"(?:^|[\s`])restem ([a-z].*)", f" {command}"):
                yield match[1].split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    wrong = []
    for part in code(page):
        for words in commands(part):
            command: click.Command = main
            while words and isinstance(command, click.Group) and words[0] in command.commands:
                command = command.commands[words.pop(0)]
            opts = [option for each in command.params for option in (*each.opts, *each.secondary_opts)]
            options = {*opts, "--help"}
            if command is main:
                wrong.append(" ".join(words))
            wrong += [
                f"{command.name} {word}"
                for word in words
                if word.startswith("--") and word.split("=")[0] not in options
            ]
    assert wrong == []


def test_options_of_scripts_of_faults_that_are_named_exist() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    named = [
        (script, option)
        for script, words in re.findall(r"`(tests/perf/\w+\.py)([^`]*)`", text)
        for option in re.findall(r"--[\w-]+", words)
    ]
    assert [f"{script} {option}" for script, option in named if f'"{option}"' not in (ROOT / script).read_text()] == []
