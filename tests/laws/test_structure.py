"""The shape of the house: which way dependencies point, what stands where, what every module says of itself."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("server", "mail_gateway", "webchat", "storage")
FOLDERS = {*PACKAGES, "tests"}
CODE = {".py", ".js", ".mjs", ".ts", ".sh", ".sql", ".html", ".css", ".c", ".rs"}
TOP_LEVEL_CODE = {"hatch_build.py"}  # hatch looks for its build hook there
MOST_LINES = 400

ELSEWHERE = re.compile(  # written so that no pattern matches itself
    r"(?:^|[^\w.])/(?:work|farm|root|home/\w+|Users/\w+)/"
    r"|registry\.npmjs\.org|pypi\.org/simple|files\.pythonhosted\.org|(?:deb|security)\.debian\.org"
)
# Declared though no module of ours imports it by name.
NOT_IMPORTED = {
    "python-engineio": "a floor under what python-socketio brings",
    "asyncpg": "SQLAlchemy opens it by the URL's driver name",
}


def files() -> list[Path]:
    """Every file that git holds or would hold, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def modules() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


def read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def contracts(root: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of the tree at `root`, from scratch."""
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", str(root / "pyproject.toml")]
    return subprocess.run(lint, cwd=root, capture_output=True, text=True, check=False)


def test_dependencies_point_one_way_from_the_doors_down_to_storage() -> None:
    said = contracts(ROOT)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize(
    ("module", "reaches"),
    [("storage/ids.py", "server.errors"), ("mail_gateway/mime.py", "webchat"), ("server/posting.py", "mail_gateway")],
)
def test_a_dependency_that_points_back_up_is_found(module: str, reaches: str, tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / module).open("a") as source:
        source.write(f"\nimport {reaches}\n")
    said = contracts(tmp_path)
    assert said.returncode == 1, said.stdout + said.stderr
    assert module.removesuffix(".py").replace("/", ".") in said.stdout


def test_no_module_grows_over_400_lines_without_its_reason_on_the_first_line() -> None:
    long = {
        str(path): length
        for path in modules()
        if (length := len(read(path).splitlines())) > MOST_LINES and "400 lines" not in read(path).splitlines()[0]
    }
    assert not long


def test_the_five_folders_are_the_only_code_at_the_top() -> None:
    strangers = {
        path.parts[0]
        for path in files()
        if path.suffix in CODE and path.parts[0] not in FOLDERS and str(path) not in TOP_LEVEL_CODE
    }
    assert not strangers
    assert {path.parts[0] for path in modules()} >= FOLDERS


def test_every_module_says_what_it_is() -> None:
    silent = [str(path) for path in modules() if read(path).strip() and not ast.get_docstring(ast.parse(read(path)))]
    assert not silent


def test_no_path_of_a_machine_and_no_registry_is_written_in_the_tree() -> None:
    found = []
    for path in files():
        try:
            lines = read(path).splitlines()
        except UnicodeDecodeError:
            continue  # a picture or an archive
        found += [
            f"{path}:{number}: {line.strip()[:120]}" for number, line in enumerate(lines, 1) if ELSEWHERE.search(line)
        ]
    assert not found


def declared() -> dict[str, set[str]]:
    """The distributions pyproject.toml names, by group; the extras that users may leave out are groups of their own."""
    project = tomllib.loads(read(Path("pyproject.toml")))["project"]
    groups = {"run": project["dependencies"], **project["optional-dependencies"]}
    return {group: {plain(requirement) for requirement in listed} for group, listed in groups.items()}


def plain(requirement: str) -> str:
    """`SQLAlchemy[asyncio]>=2.1` is `sqlalchemy`."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def imported(*folders: str) -> dict[str, str]:
    """The distributions that the modules of these folders import, each with a module that does."""
    distributions = packages_distributions()
    found: dict[str, str] = {}
    for path in modules():
        if path.parts[0] not in folders:
            continue
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for top in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - FOLDERS:
                found[distributions.get(top, [top])[0].lower().replace("_", "-")] = str(path)
    return found


def test_whatever_we_import_is_declared_and_whatever_is_declared_is_imported() -> None:
    groups = declared()
    ours = set().union(*(names for group, names in groups.items() if group != "dev"))
    used = imported(*PACKAGES)
    assert {name: where for name, where in used.items() if name not in ours} == {}
    assert ours - set(used) - set(NOT_IMPORTED) == set()


def test_whatever_the_tests_import_is_declared() -> None:
    known = set().union(*declared().values())
    assert {name: where for name, where in imported("tests").items() if name not in known} == {}


def test_every_requirement_is_pinned_by_hash() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        entries = re.split(r"\n(?=[a-zA-Z0-9])", read(Path(name)))[1:]
        assert len(entries) > 20
        assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_the_tests_run_the_versions_that_people_run() -> None:
    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)==(\S+)", read(Path(name)), re.MULTILINE))

    run, dev = pins("requirements.txt"), pins("requirements-dev.txt")
    assert {name: version for name, version in run.items() if dev.get(name) != version} == {}
