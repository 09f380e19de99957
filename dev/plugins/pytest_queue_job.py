# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What pytest needs to know of this checkout.

* Paths on the command line become names of ``odoo.addons``: Odoo refuses models that
  are imported under another name, and a test module imported twice is two modules.
* ``--no-skips`` and ``--every-file-collects`` make a run fail that tested less than
  it seems.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

try:
    import hypothesis
except ImportError:  # only some tests need it
    hypothesis = None

ADDON = "queue_job"
ROOT = Path(__file__).resolve().parents[2]
TEST_ADDONS = ROOT / "dev" / "addons"


def dotted_name(argument: str, folder: Path) -> str:
    """The argument with a path of this checkout as a name below ``odoo.addons``."""
    path, separator, rest = argument.partition("::")
    target = (folder / path).resolve()
    if not path or not target.exists():
        return argument
    if target.is_relative_to(TEST_ADDONS) and target != TEST_ADDONS:
        parts = target.relative_to(TEST_ADDONS).parts
    elif target.is_relative_to(ROOT / "dev") or not target.is_relative_to(ROOT):
        return argument
    else:
        parts = (ADDON, *(target.relative_to(ROOT).parts or ("tests",)))
    parts = (*parts[:-1], parts[-1].removesuffix(".py"))
    return ".".join(("odoo.addons", *parts)) + separator + rest


def folder_of(name: str) -> Path | None:
    """The file or folder that a name below ``odoo.addons`` stands for."""
    parts = name.partition("::")[0].split(".")
    if parts[:2] != ["odoo", "addons"] or len(parts) < 3:
        return None
    home = ROOT if parts[2] == ADDON else TEST_ADDONS / parts[2]
    path = home.joinpath(*parts[3:])
    return path if path.exists() else path.with_suffix(".py")


def pytest_addoption(parser):
    group = parser.getgroup("queue_job")
    group.addoption(
        "--no-skips", action="store_true", help="fail when a test is skipped"
    )
    group.addoption(
        "--every-file-collects",
        action="store_true",
        help="fail when a test file among those asked for ran no test",
    )


def pytest_configure(config):
    folder = config.invocation_params.dir
    config.args[:] = [dotted_name(argument, folder) for argument in config.args]
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args += _tests_of_installed_addons()
    if hypothesis is not None:
        hypothesis.settings.register_profile("checkout", deadline=None)
        hypothesis.settings.load_profile("checkout")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Strictness(config), "queue_job_strictness")


def _tests_of_installed_addons() -> list[str]:
    names = os.environ.get("QUEUE_JOB_TEST_ADDONS", "").split()
    return [
        f"odoo.addons.{name}.tests"
        for name in names
        if (TEST_ADDONS / name / "tests").is_dir()
    ]


class _Strictness:
    """Remembers which files ran a test and what was skipped, and judges at the end."""

    def __init__(self, config):
        self.config = config
        self.skipped: dict[str, str] = {}
        self.files: set[Path] = set()

    def pytest_collectreport(self, report):
        self._note_skip(report)

    def pytest_runtest_logreport(self, report):
        self._note_skip(report)
        if report.when == "call":
            path = self.config.rootpath / report.nodeid.partition("::")[0]
            self.files.add(path.resolve())

    def _note_skip(self, report):
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr
            if isinstance(reason, tuple):
                reason = reason[2]
            self.skipped[report.nodeid] = str(reason)

    def problems(self) -> list[str]:
        found = []
        if self.config.option.no_skips:
            found += [f"skipped: {n}: {why}" for n, why in self.skipped.items()]
        if self.config.option.every_file_collects:
            found += [f"ran no test: {path}" for path in self._silent_files()]
        return found

    def _silent_files(self) -> list[Path]:
        wanted: set[Path] = set()
        for name in self.config.args:
            path = folder_of(name)
            if path and path.is_dir():
                wanted.update(path.rglob("test_*.py"))
            elif path:
                wanted.add(path)
        wanted = {path.resolve() for path in wanted}
        return sorted(path.relative_to(ROOT) for path in wanted - self.files)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session, exitstatus):
        if exitstatus == pytest.ExitCode.OK and self.problems():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        problems = self.problems()
        if problems:
            terminalreporter.section("tested less than it seems", red=True)
            for line in problems:
                terminalreporter.line(line)
