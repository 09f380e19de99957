# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The samples of the documentation as an add-on that is really installed."""

from __future__ import annotations

import ast
import os
from pathlib import Path

from ..documentation import (
    MANIFEST,
    MODELS,
    SCRIPT,
    TESTS,
    Sample,
    documents,
    purpose,
    samples,
)
from .server import Database

NAME = "queue_job_samples"


class SampleAddon:
    """An add-on made of all samples in Python and XML, below ``folder``.

    scripts: the samples that are statements, for a shell
    claimed: the samples that have found their place
    """

    def __init__(self, folder: Path):
        self.path = folder / "odoo" / "addons" / NAME
        self.python_path = os.pathsep.join(
            [str(folder), os.environ.get("PYTHONPATH", "")]
        )
        self.scripts: list[Sample] = []
        self.claimed: list[Sample] = []
        self._manifest: dict = {}
        self._modules: dict[str, list[str]] = {"models": [], "tests": []}
        self._data: list[str] = []
        for sample in all_samples():
            claim = getattr(self, f"_claim_{sample.language}", None)
            if claim is not None:
                claim(sample)
                self.claimed.append(sample)
        self._write_rest()

    def _claim_python(self, sample: Sample) -> None:
        kind = purpose(sample.text)
        if kind == MANIFEST:
            assert not self._manifest, f"{sample.place}: a second manifest"
            self._manifest = ast.literal_eval(sample.text)
        elif kind == MODELS:
            self._add_module("models", f"sample_{self._number}", sample)
        elif kind == TESTS:
            self._add_module("tests", f"test_sample_{self._number}", sample)
        else:
            assert kind == SCRIPT
            self.scripts.append(sample)

    def _claim_xml(self, sample: Sample) -> None:
        names = [*self._manifest["data"], f"data/sample_{self._number}.xml"]
        self._data.append(next(name for name in names if name not in self._data))
        self._write(self._data[-1], sample.text)

    @property
    def _number(self) -> int:
        return len(self.claimed)

    def _add_module(self, package: str, module: str, sample: Sample) -> None:
        self._modules[package].append(module)
        self._write(f"{package}/{module}.py", f"# {sample.place}\n{sample.text}\n")

    def _write_rest(self) -> None:
        for package, modules in self._modules.items():
            lines = [f"from . import {module}" for module in modules]
            self._write(f"{package}/__init__.py", "\n".join(lines))
        self._write("__init__.py", "from . import models")
        manifest = {**self._manifest, "data": self._data}
        self._write("__manifest__.py", repr(manifest))

    def _write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def install(self, database: Database) -> str:
        """Install it and run its tests, as its author would; return the log.

        :raises AssertionError: Odoo says that something is wrong
        """
        environ = {"PYTHONPATH": self.python_path}
        options = ("-i", NAME, "--test-tags", f"/{NAME}")
        return database.load(*options, environ=environ)


def all_samples() -> list[Sample]:
    """The samples of all documents."""
    return [sample for path in documents() for sample in samples(path)]
