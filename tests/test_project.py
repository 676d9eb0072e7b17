"""The house rules that a machine can check: messages, imports, public names, sizes, commands in the docs."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "crossent"
MODULES = sorted(SOURCE.rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


# --- messages ---------------------------------------------------------------------------------------------

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
CARRIERS = {"CrossentError", "DataError", "UsageError", "MergeError", "Note"}
"""Everything that carries a slug as its first argument."""


def name_of(function: ast.expr) -> str:
    """`DataError` for both `DataError(…)` and `errors.DataError(…)`."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    names = [a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
    return [name for name in names if name not in ("self", "cls")]


def argument(call: ast.Call, position: int) -> ast.expr | None:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "slug"]
    return next(iter([*call.args[position : position + 1], *named]), None)


def slug_arguments() -> Iterator[tuple[str, ast.expr | None]]:
    """("file:line", expression) of every slug.

    A slug is the first argument of an error or a note. Where that is a variable called `slug`, it is what
    callers pass for the parameter of that name, or what `function` returns in `slug, … = function(…)`.
    """
    nodes = [(path, node) for path in MODULES for node in ast.walk(tree_of(path))]
    functions = {node.name: node for _, node in nodes if isinstance(node, ast.FunctionDef)}
    carriers = {name: 0 for name in CARRIERS} | {
        name: parameters(function).index("slug")
        for name, function in functions.items()
        if "slug" in parameters(function) and name != "__init__"
    }
    for path, node in nodes:
        found: list[ast.expr | None] = []
        if isinstance(node, ast.Call) and name_of(node.func) in carriers:
            found = [argument(node, carriers[name_of(node.func)])]
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Tuple)
            and name_of(node.targets[0].elts[0]) == "slug"
            and isinstance(node.value, ast.Call)
        ):
            returns = ast.walk(functions[name_of(node.value.func)])
            tuples = [
                r.value for r in returns if isinstance(r, ast.Return) and isinstance(r.value, ast.Tuple)
            ]
            found = [value.elts[0] for value in tuples]
        for expression in found:
            if not (isinstance(expression, ast.Name) and expression.id == "slug"):
                yield f"{relative(path)}:{node.lineno}", expression


def test_every_slug_is_a_kebab_case_literal() -> None:
    wrong = [
        place
        for place, slug in slug_arguments()
        if not (isinstance(slug, ast.Constant) and SLUG.fullmatch(str(slug.value)))
    ]
    assert not wrong, f"the first argument is not a literal slug in {wrong}"


def test_messages_page_explains_exactly_the_slugs_in_use() -> None:
    used = {str(slug.value): place for place, slug in slug_arguments() if isinstance(slug, ast.Constant)}
    used["missing-extra"] = "src/crossent/errors.py"
    page = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    headings = re.findall(rf"^#{{2,4}} +`?({SLUG.pattern})`? *$", page, re.MULTILINE)
    explained = [heading[0] for heading in headings]
    missing = {slug: place for slug, place in used.items() if slug not in explained}
    assert not missing, f"docs/messages.md does not explain {missing}"
    assert not set(explained) - set(used), "docs/messages.md explains slugs that nothing raises"
    assert len(explained) == len(set(explained)), "docs/messages.md explains a slug twice"


# --- who may import whom ----------------------------------------------------------------------------------

LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "exact": {"kernels"},
    "kernels": set(),
    "_arrays": {"kernels"},
    "losses": {"kernels"},
    "information": {"kernels", "exact", "_arrays"},
    "functional": {"losses", "exact", "_arrays", "information"},
    "sampling": {"kernels", "_arrays"},
    "imbalance": {"losses", "kernels", "exact", "statistics", "_arrays"},
    "calibration": {"kernels", "imbalance", "statistics", "_arrays"},
    "reliability": {"calibration", "imbalance", "statistics", "_arrays"},
    "advice": {"data", "losses", "imbalance", "wording"},
    "boosting": {"losses", "functional"},
    "criteria": {"_arrays", "information", "statistics"},
    "combining": {"_arrays", "information", "statistics"},
    "torch": {"losses", "functional", "imbalance"},
    "data": {"losses"},
    "accumulators": {"exact"},
    "statistics": set(),
    "engines": {"data", "losses", "accumulators"},
    "files": set(),
    "version": set(),
    "distributed": {"engines", "data", "accumulators", "files", "version"},
    "evaluation": {"engines", "accumulators", "results", "files"},
    "findings": {"statistics"},
    "results": {"statistics", "findings"},
    "recalibration_sentences": {"wording"},
    "recalibrating": {"preparing", "data", "engines", "deep", "calibration", "imbalance", "files", "version"},
    "preparing": {"data", "engines", "distributed"},
    "runs": {"preparing", "evaluation", "results"},
    "deep": {
        "engines",
        "data",
        "evaluation",
        "results",
        "findings",
        "statistics",
        "kernels",
        "calibration",
        "reliability",
    },
    "series": set(),
    "summaries": {"series", "evaluation", "accumulators", "statistics"},
    "treatments": {"summaries", "evaluation", "accumulators", "statistics"},
    "describing": {"treatments", "summaries", "evaluation", "statistics", "results"},
    "wording": {"statistics"},
    "sensitivity": {"results", "statistics", "wording"},
    "notes": {"evaluation", "results", "wording", "sensitivity"},
    "mixture_sentences": {"statistics", "wording"},
    "statements": {"results", "wording", "sensitivity"},
    "held_out": {"results", "statistics"},
    "sequential": {"statistics"},
    "stopping": {"runs", "distributed", "engines", "evaluation", "statistics"},
    "decided_early": {"results", "statistics", "wording"},
    "selection": {"describing", "held_out", "notes", "statements", "evaluation", "statistics", "results"},
    "report": {
        "decided_early",
        "mixture_sentences",
        "recalibration_sentences",
        "results",
        "sensitivity",
        "wording",
    },
    "api": {"runs", "deep", "selection", "evaluation", "report", "files", "stopping", "decided_early"},
    "planning": {"describing", "evaluation", "statistics", "wording"},
    "sklearn": {"api", "losses", "functional", "statistics"},
    "testing": {"losses", "data", "accumulators"},
    "mixing": {"api", "combining", "deep", "engines", "preparing", "files", "mixture_sentences", "wording"},
    "crossent": {"api", "version", "information", "evaluation", "functional", "imbalance", "advice"},
    "cli": {
        "advice",
        "api",
        "crossent",
        "evaluation",
        "mixing",
        "mixture_sentences",
        "planning",
        "recalibrating",
        "recalibration_sentences",
        "report",
        "statistics",
        "wording",
    },
}
"""Part → the parts below it. It may use those, whatever they may use, and `errors`; the command line only the
parts named. `crossent` is the package itself, that is, the public names."""


def part_of(module: str) -> str:
    """`crossent.data.readers.parquet` → `data`; `crossent` → `crossent`."""
    return [*module.split("."), "crossent"][1]


def may_use(part: str) -> set[str]:
    below = LAYERS[part]
    return {part, "errors"}.union(below, *(may_use(lower) for lower in below if part != "cli"))


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute module) of everything of ours that a file imports, wherever the statement stands."""
    package = module_name(path).split(".")[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(tree_of(path)):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from crossent import data` imports a part, `from crossent import evaluate` a public name.
            parts = [a.name for a in node.names if module == "crossent" and a.name in LAYERS]
            found = [f"crossent.{part}" for part in parts] or [module]
        yield from ((node.lineno, name) for name in found if name.split(".")[0] == "crossent")


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_go_one_way(path: Path) -> None:
    part = part_of(module_name(path))
    assert part in LAYERS, f"name the place of `{part}` in LAYERS"
    allowed = may_use(part)
    wrong = [f"line {line}: {module}" for line, module in imports(path) if part_of(module) not in allowed]
    assert not wrong, f"`{part}` may use {sorted(allowed)} only"


def test_layers_have_no_cycle() -> None:
    assert all(may_use(part) for part in LAYERS)  # a cycle would recurse without end
    assert "cli" not in may_use("crossent")


# --- the public face --------------------------------------------------------------------------------------


def fresh_python(code: str) -> object:
    """Run code in a new interpreter that prints JSON."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_import_loads_only_the_standard_library_and_numpy() -> None:
    loaded = fresh_python(
        "import sys; before = set(sys.modules); import crossent, json; "
        "print(json.dumps(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    assert isinstance(loaded, list)
    # The Cython runtime inside NumPy registers names of its own.
    foreign = [m for m in loaded if m not in sys.stdlib_module_names and "cython" not in m]
    assert set(foreign) <= {"crossent", "numpy"}


def test_all_is_what_is_public() -> None:
    public = fresh_python(
        "import crossent, json, types; print(json.dumps(sorted(n for n in dir(crossent) if n[0] != '_' "
        "and not isinstance(getattr(crossent, n), types.ModuleType))))"
    )
    crossent = importlib.import_module("crossent")
    assert sorted(n for n in crossent.__all__ if n[0] != "_") == public
    assert len(crossent.__all__) == len(set(crossent.__all__))


def test_every_public_name_loads_and_is_explained() -> None:
    crossent = importlib.import_module("crossent")
    unexplained = [
        name
        for name in crossent.__all__
        if callable(getattr(crossent, name)) and len(getattr(crossent, name).__doc__ or "") < 20
    ]
    assert not unexplained, f"no docstring: {unexplained}"
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = crossent.no_such_name


def test_version_is_stated_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert importlib.import_module("crossent").__version__ == project["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(project['version'])}\b", changelog, re.MULTILINE)


# --- sizes and words --------------------------------------------------------------------------------------


def test_files_stay_small() -> None:
    lines = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {name: n for name, n in lines.items() if n > 500}
    assert statistics.median(lines.values()) <= 250


# Paths of the places where work is done, and hosts that an installer knows by itself. Written with classes so
# that this file does not find itself.
FORBIDDEN = re.compile(
    r"[/]work/|[/]root/|(?<!torch)[.]library\b|shared[/](cases|research)|pypi[.]org|pythonhosted[.]"
)
TEXT = {".py", ".md", ".toml", ".css", ".j2", ".json", ".yml", ".txt", ""}


def test_no_file_speaks_of_one_machine() -> None:
    folders = ("src", "tests", "docs", "benchmarks", "examples", ".ci")
    paths = [p for folder in folders for p in (ROOT / folder).rglob("*") if "_build" not in p.parts]
    files = [p for p in [*paths, *ROOT.glob("[!.]*")] if p.is_file() and p.suffix in TEXT]
    assert len(files) > 30
    found = {relative(p): m[0] for p in files if (m := FORBIDDEN.search(p.read_text(encoding="utf-8")))}
    assert not found


# --- commands and their documentation ---------------------------------------------------------------------


@cache
def commands() -> dict[str, click.Command]:
    """The commands of the program by name, those of a group by both."""
    group: click.Group = importlib.import_module("crossent.cli").cli
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        found |= {f"{name} {part}".strip(): each for part, each in inner.items()}
    return found


def options_of(command: click.Command) -> set[str]:
    return {o for p in command.params for o in [*p.opts, *p.secondary_opts] if o.startswith("--")}


COMMAND = re.compile(r"^(?: {4}|\s*\$ )(crossent +[a-z]+ .*)|`(crossent +[a-z]+ [^`]+)`", re.MULTILINE)


def command_lines(page: Path) -> list[str]:
    """Every call of `crossent` in the code of a page, indented, after a prompt or between backticks."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    return [block or span for block, span in COMMAND.findall(text)]


def known_pages() -> list[Path]:
    return [page for page in PAGES if command_lines(page)]


@pytest.mark.parametrize("page", known_pages(), ids=relative)
def test_commands_shown_in_a_page_exist(page: Path) -> None:
    for line in command_lines(page):
        _, command, *words = shlex.split(line, comments=True)
        if words and f"{command} {words[0]}" in commands():
            command = f"{command} {words.pop(0)}"
        assert command in commands(), line
        used = {word.split("=")[0] for word in words if word.startswith("--")}
        unknown = used - options_of(commands()[command]) - {"--help"}
        assert not unknown, f"{line}: no option {unknown}"


PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if PYTHON.search(p.read_text(encoding="utf-8"))], ids=relative
)
def test_python_shown_in_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in PYTHON.findall(page.read_text(encoding="utf-8")):
        exec(compile(code, str(page), "exec"), names)


def test_the_readme_shows_commands() -> None:
    assert ROOT / "README.md" in known_pages()


def test_every_option_is_documented() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in ROOT.glob("docs/*.md"))
    mentioned = set(re.findall(r"--[a-z][a-z-]*", text))
    for name, command in commands().items():
        assert f"<!-- help: {name} -->" in text, f"docs/commands.md does not insert the help of {name}"
        undocumented = options_of(command) - mentioned - {"--help"}
        assert not undocumented, f"docs say nothing of {name} {undocumented}"
        unexplained = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
        assert not unexplained, f"{name} --help does not explain {unexplained}"
