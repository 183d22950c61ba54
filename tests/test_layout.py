"""Who may import whom, read off the imports themselves."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmarks", "verifiers", "harness", "reports")
# Wing -> the wings that it may import. A wing is a folder, or a file that stands beside the folders. Every wing may
# import itself. The order is that of the layers: a wing imports what stands above it.
VERDICT = {"benchmarks.problem", "benchmarks.hints", "benchmarks.json_lines", "benchmarks.lazy"}
VERDICT |= {"verifiers.verdict", "verifiers.keys"}
ALGEBRA = VERDICT | {"verifiers.algebra"}
EXACT = ALGEBRA | {"verifiers.worker", "verifiers.answers", "verifiers.options"}
BASICS = VERDICT | {"harness.errors", "harness.files", "harness.names", "harness.sampling_settings", "harness.toml"}
STORE = BASICS | {"harness.store"}
MODEL = BASICS | {"harness.model", "harness.outside", "harness.settings", "harness.store"}
NUMERICS = MODEL | {"harness.sampling", "harness.training"}
LOOP = NUMERICS | {"harness.config", "harness.arms", "harness.distributed", "harness.progress", "harness.loop"}
LOOP |= {"verifiers.interruption", "verifiers.processes"}
DATA = STORE | {"reports.stats"}
ANALYSIS = DATA | {"reports.data"}
TABLES = ANALYSIS | {"reports.analysis"}
REPORTS = TABLES | {"reports.tables", "reports.figures", "reports.pages"}
HARNESS = LOOP | {"harness.weights", "harness.serving", "harness.imports", "harness.engines"}
EVERYTHING = {"benchmarks", "verifiers", "harness", "reports"}
ALLOWED: dict[str, set[str]] = {
    "benchmarks": {"benchmarks"},
    **{package: {"benchmarks.lazy"} for package in ("verifiers", "harness", "reports")},
    "verifiers.verdict": {"benchmarks.problem"},
    "verifiers.option_types": VERDICT,
    "verifiers.options": VERDICT | {"verifiers.option_types"},
    "verifiers.option_tables": {"verifiers.option_types", "verifiers.options"},
    "verifiers.foreign": VERDICT | {"verifiers.options", "verifiers.order_check"},
    "verifiers.child_process": set(),
    "verifiers.bodies": set(),
    "verifiers.interruption": set(),
    "verifiers.keys": set(),
    "verifiers.processes": VERDICT | {"verifiers.catalog", "verifiers.interruption", "verifiers.worker"},
    "verifiers.worker": {"verifiers.child_process", "verifiers.interruption", "verifiers.verdict"},
    # Its part that runs in the worker imports the standard library alone, so that it runs in a trainer's environment.
    "verifiers.foreign_rewards": VERDICT
    | {"verifiers.options", "verifiers.worker", "verifiers.child_process", "verifiers.bodies"}
    | {"verifiers.interruption"},
    "verifiers.rows": VERDICT,
    "verifiers.order_check": VERDICT,
    "verifiers.algebra": VERDICT,
    "verifiers.answers": ALGEBRA,
    # The gold of a benchmark with rules of its own rebuilds the benchmark's entries.
    "verifiers.exact": EXACT | {"benchmarks.reasoning_gym", "benchmarks.reasoning_gym_package"},
    "verifiers.composed": EXACT,
    "verifiers.code": VERDICT | {"verifiers.options", "verifiers.child_process", "verifiers.interruption"},
    "verifiers.chat": VERDICT
    | {"verifiers.bodies", "verifiers.interruption", "verifiers.option_types", "verifiers.options"},
    "verifiers.judge": VERDICT | {"verifiers.options", "verifiers.chat"},
    "verifiers.catalog": VERDICT | {"verifiers"},
    "verifiers.adapters": VERDICT | {"benchmarks.chat_templates", "benchmarks.columns", "verifiers.catalog"},
    "harness.errors": set(),
    "harness.files": set(),
    "harness.names": set(),
    "harness.sampling_settings": set(),
    "harness.progress": BASICS,
    "harness.toml": {"harness.errors"},
    "harness.overrides": {"harness.errors", "harness.toml"},
    "harness.config_model": set(),
    "harness.problem_sets": STORE | {"benchmarks", "harness.config_model", "verifiers.option_types"},
    "harness.settings": STORE | {"harness.config_model", "verifiers.option_types"},
    "harness.arms": STORE
    | {"harness.config_errors", "harness.config_model", "harness.settings", "verifiers.option_types"},
    "harness.config": STORE
    | {"benchmarks", "harness.config_errors", "harness.config_model", "harness.overrides", "harness.problem_sets"}
    | {"harness.arms", "harness.settings", "verifiers.option_types"},
    "harness.config_errors": {"benchmarks.hints", "verifiers.keys"},
    "harness.store": BASICS,
    # Rollouts of other tools; it reads files as benchmarks do, and depends on no verifier.
    "harness.imports": STORE | {"benchmarks.chat_templates", "benchmarks.columns", "benchmarks.file_formats"},
    "harness.model": BASICS,
    "harness.weights": MODEL,
    "harness.sampling": MODEL,
    "harness.training": MODEL,
    "harness.distributed": NUMERICS,
    # It loads no JAX: it needs ids, a folder and what says how tokens are chosen.
    "harness.engines": BASICS | {"harness.settings", "harness.sampling.engine"},
    # Nor does it: a folder's files are hashed and never read as tensors.
    "harness.outside": BASICS | {"harness.model"},
    "harness.loop": LOOP,
    "harness.serving": LOOP | {"harness.weights", "verifiers.adapters"},
    "harness.app": EVERYTHING - {"harness"}
    | HARNESS
    | {"harness.config_model", "harness.overrides", "harness.problem_sets"},
    "harness.gate": EVERYTHING - {"harness"} | STORE | {"harness.app", "harness.config_model", "harness.progress"},
    "harness.cli": EVERYTHING,
    "harness.assets": EVERYTHING,
    "reports.stats": set(),
    "reports.data": DATA,
    "reports.analysis": ANALYSIS,
    "reports.tables": TABLES,
    "reports.figures": TABLES,
    "reports.pages": REPORTS,
}
ROOMS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def wing(module: str) -> str:
    """The first two parts of a module's name without `restem`; benchmarks has one wing."""
    parts = module.split(".")
    return parts[0] if parts[0] == "benchmarks" and len(parts) < 2 else ".".join(parts[:2])


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> list[str]:
    """Our modules that a file imports, anywhere in it, `TYPE_CHECKING` included; without the root `restem`."""
    return targets(path.read_text("utf-8"))


def targets(source: str, *, by_name: bool = True) -> list[str]:
    """Our modules that a source imports, by a statement or, `by_name`, by `import_module` or a text "module:name"."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            assert "restem" not in [alias.name for alias in node.names], "import a package of ours, not the root"
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "no relative imports"
            for alias in node.names:
                inner = ROOT / f"{node.module}.".removeprefix("restem.").replace(".", "/") / alias.name
                is_module = inner.with_suffix(".py").is_file() or inner.is_dir()
                names.append(f"{node.module}.{alias.name}" if is_module else str(node.module))
        elif by_name and isinstance(node, ast.Constant) and re.fullmatch(r"restem(\.\w+)+:\w+", str(node.value)):
            names.append(str(node.value).partition(":")[0])
        elif by_name and isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names += [str(text.value) for text in node.args[:1] if isinstance(text, ast.Constant)]
    return [name.removeprefix("restem.") for name in names if name.startswith("restem.")]


def allowed(source: str, target: str) -> bool:
    here = wing(source)
    may = ALLOWED.get(here, ALLOWED.get(here.split(".")[0], set()))
    is_inside = target == here or target.startswith(f"{here}.") or wing(target) == here
    return is_inside or any(target == name or target.startswith(f"{name}.") for name in may)


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    assert [name for name in imported(path) if not allowed(module(path), name)] == []


@pytest.mark.parametrize(
    "source",
    [
        "import restem.harness.loop",
        "from restem.harness import loop",
        "def f():\n    from restem.harness.loop import run",
        'importlib.import_module("restem.harness.loop")',
        'FACTORIES = {"a": "restem.harness.loop:Loop"}',
    ],
)
def test_every_way_to_import_a_module_is_an_arrow(source: str) -> None:
    assert targets(source) == ["harness.loop"]


def test_a_package_under_the_root_is_an_arrow() -> None:
    assert targets("from restem import harness") == ["harness"]


@pytest.mark.parametrize("source", ["from . import loop", "from .loop import run", "import restem"])
def test_imports_that_hide_their_module_are_refused(source: str) -> None:
    with pytest.raises(AssertionError):
        targets(source)


def lazy_table(source: str) -> dict[str, list[str]] | None:
    """Module -> names of the table that a package passes to `exports`; None where there is none."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "exports":
            return {module: sorted(names) for module, names in ast.literal_eval(node.args[1]).items()}
    return None


LAZY = [path for path in ROOMS if path.name == "__init__.py" and lazy_table(path.read_text("utf-8"))]


@pytest.mark.parametrize("path", LAZY, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_that_load_late_are_those_that_the_type_checker_sees(path: Path) -> None:
    source, package = path.read_text("utf-8"), f"restem.{module(path)}."
    (block,) = (node for node in ast.parse(source).body if isinstance(node, ast.If))
    seen = {
        str(node.module).removeprefix(package): sorted(alias.name for alias in node.names)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    }
    assert lazy_table(source) == seen


def test_every_package_that_loads_late_uses_the_same_functions() -> None:
    by_hand = [path for path in ROOMS if "def __getattr__(name: str)" in path.read_text("utf-8")]
    assert by_hand == []
    assert {module(path) for path in LAZY} >= {"benchmarks", "verifiers", "harness", "reports"}


def test_no_module_imports_itself_through_others() -> None:
    arrows = {module(path): set(targets(path.read_text("utf-8"), by_name=False)) for path in ROOMS}
    arrows = {name: {target for target in targets if target in arrows} for name, targets in arrows.items()}
    while leaves := [name for name, targets in arrows.items() if not targets & arrows.keys()]:
        for name in leaves:
            del arrows[name]
    assert arrows == {}


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_leaves_out_the_root(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in names} & set(PACKAGES)


@pytest.mark.parametrize("package", ["verifiers", "benchmarks", "reports"])
def test_jax_stays_in_the_harness(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert "import jax" not in path.read_text("utf-8"), path


# What runs in a sandbox of its own and in no verifier's process; only the launcher of that sandbox imports it.
SANDBOXED = ("candidate.py", "checker.py")
EVALUATING = [path for path in sorted((ROOT / "verifiers").rglob("*.py")) if path.name not in SANDBOXED]


def test_only_the_launcher_imports_what_evaluates_text() -> None:
    names = {f"verifiers.code.{name.removesuffix('.py')}" for name in SANDBOXED}
    importing = {module(path) for path in ROOMS if names & set(imported(path))}
    assert importing == {"verifiers.code.launcher", "verifiers.code.checker"}


@pytest.mark.parametrize("path", EVALUATING, ids=lambda path: path.name)
def test_no_verifier_evaluates_text(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
    assert not names & {"eval", "exec", "sympify", "parse_expr", "S", "__import__"}


# The embedded models are made by two programs of their own, which nothing imports.
PROGRAMS = ("harness/assets/make.py", "harness/assets/card.py")


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_click_stays_in_the_command_line(path: Path) -> None:
    place = str(path.relative_to(ROOT))
    if not place.startswith(("harness/cli/", "harness/app/")) and place not in PROGRAMS:
        tree = ast.walk(ast.parse(path.read_text("utf-8")))
        names = [alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names]
        tree = ast.walk(ast.parse(path.read_text("utf-8")))
        names += [node.module or "" for node in tree if isinstance(node, ast.ImportFrom)]
        assert "click" not in {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_stays_in_the_store_and_the_reports_data(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    methods = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    may = wing(module(path)) in ("harness.store", "reports.data")
    assert may or not methods & {"query", "execute", "executemany", "executescript"}


def prose(source: str) -> list[str]:
    """Texts of three words or more in a file; docstrings and messages of exceptions left out.

    All other texts count, not only those that stand in a `return`: a text that is put into a list or a field first is
    returned as well. In an f-string a value counts as a word.
    """
    tree = ast.parse(source)
    excepted: set[int] = set()
    for node in ast.walk(tree):
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        error = isinstance(node, ast.ClassDef) and any("Error" in ast.unparse(base) for base in node.bases)
        if docstring or error or isinstance(node, ast.Raise):
            excepted |= {id(child) for child in ast.walk(node)}
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    texts: list[str] = []
    for node in ast.walk(tree):
        if id(node) in excepted:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "value" for part in node.values)
            texts.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            texts.append(node.value)
    return [text for text in texts if sum(any(map(str.isalpha, word)) for word in text.split()) >= 3]


@pytest.mark.parametrize("path", sorted((ROOT / "reports" / "analysis").glob("*.py")), ids=lambda path: path.name)
def test_analysis_holds_codes_and_numbers_and_no_sentences(path: Path) -> None:
    assert prose(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('def f(n):\n    "Gives a text."\n    return f"{n} is better"', 1),
        ('def f():\n    lines = []\n    lines.append("train on it")\n    return lines', 1),
        ('WORDS = {1: "no gain shown"}', 1),
        ('def f(a, b):\n    return f"{a}/{b}" + "two words"', 0),
        ('def f():\n    raise ValueError("there is no such arm")', 0),
        ('class Wrong(ConfigError):\n    def __init__(self):\n        super().__init__("there is no such arm")', 0),
    ],
)
def test_the_search_for_sentences_finds_them_wherever_they_stand(source: str, count: int) -> None:
    assert len(prose(source)) == count
