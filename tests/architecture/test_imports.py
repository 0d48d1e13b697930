"""The import rule: features know what stands before them, and only by its service."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ORDER = """
    core engines audit tenancy identity web realtime wallet alliance state payments invoices
    suppliers campaigns strategy recovery privacy onboarding legacy sandbox ops
"""
INSIDE = "views service forms replies queries ledger gateway models domain errors"
PACKAGES, MODULES = ORDER.split(), INSIDE.split()


Import = tuple[Path, str, str, str]


@cache
def imports() -> list[Import]:
    """(file, its package, imported package, imported module) of every import inside mealquest."""
    return list(_imports())


def _imports() -> Iterator[Import]:
    for path in sorted((ROOT / "mealquest").glob("*/**/*.py")):
        home = path.relative_to(ROOT / "mealquest").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mealquest"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [a.name for a in node.names if a.name.startswith("mealquest")]
            for name in names:
                _, target, module, *_ = [*name.split("."), "", ""]
                yield path, home, target, module


def test_a_feature_imports_only_the_services_of_features_listed_before_it() -> None:
    assert list(filter(None, map(wrong, imports()))) == []


def wrong(found: Import) -> str:
    """What is wrong with an import, or nothing."""
    file, home, target, module = found
    path = file.relative_to(ROOT)
    if target in {home, "__version__"}:
        return ""
    if target not in PACKAGES:
        return f"{path}: {target} is not a package a feature may import"
    if target == "web" and home != "web":
        return "" if file.stem.endswith("views") else f"{path}: only views speak HTTP"
    if PACKAGES.index(target) >= PACKAGES.index(home):
        return f"{path}: {home} may not know {target}"
    allowed = target == "core" or module == "service"
    return "" if allowed else f"{path}: use {target}.service, not {target}.{module}"


def test_views_are_the_roof() -> None:
    for file, home, target, module in imports():
        roof = module.endswith("views")
        assert not (roof and target != home), f"{file}: nothing imports views"


def test_inside_a_feature_modules_import_to_the_right_only() -> None:
    for file, home, target, module in imports():
        ranked = file.stem in MODULES and module in MODULES
        if home == target and ranked and home not in {"core", "web", "engines"}:
            known = MODULES.index(file.stem) < MODULES.index(module)
            assert known, f"{file}: {file.stem} may not import {module}"


def test_every_package_has_its_place_in_the_order() -> None:
    found = {
        path.name for path in (ROOT / "mealquest").iterdir() if (path / "__init__.py").exists()
    }
    assert found <= set(PACKAGES), f"give {found - set(PACKAGES)} a place in the order"


def test_nothing_but_recovery_imports_stripe() -> None:
    for path in (ROOT / "mealquest").rglob("*.py"):
        if path.parts[-2:] != ("recovery", "gateway.py"):
            found = re.search(r"^\s*(?:import|from) stripe\b", path.read_text(), re.MULTILINE)
            assert not found, path
