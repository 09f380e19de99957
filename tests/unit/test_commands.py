# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The commands of ``dev``: each says what it does, and takes nothing else."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from ..documentation import ROOT

DEV = ROOT / "dev"
#: what they do not know themselves goes to another program, which judges it
HAND_ON = {"run", "test"}


def commands():
    return sorted(
        path.name
        for path in DEV.iterdir()
        if path.is_file() and os.access(path, os.X_OK)
    )


class TestCommands(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def call(self, *command):
        """Call it where a folder that it makes is seen, and its state as well."""
        environ = {**os.environ, "QUEUE_JOB_DEV_STATE": str(self.folder / "state")}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_there_are_commands(self):
        self.assertLessEqual({"bare", "build", "lint", "run", "test"}, {*commands()})

    def test_each_tells_what_it_does_and_does_nothing(self):
        for name in commands():
            for arguments in (["--help"], ["-h"], ["something", "--help"]):
                with self.subTest(command=name, arguments=arguments):
                    done = self.call(DEV / name, *arguments)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn(f"dev/{name}", done.stdout)
                    self.assertNotIn("#", done.stdout)
                    self.assertEqual([*self.folder.iterdir()], [])

    def test_each_refuses_an_option_that_it_does_not_know_and_does_nothing(self):
        for name in set(commands()) - HAND_ON:
            for option in ("--no-such-option", "-Z", "--hel", "--no-such=1"):
                with self.subTest(command=name, option=option):
                    done = self.call(DEV / name, option)
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    self.assertIn(f"unknown option {option}", done.stderr)
                    self.assertIn(f"dev/{name} --help", done.stderr)
                    self.assertEqual([*self.folder.iterdir()], [])

    def test_each_is_named_in_the_page_about_them(self):
        page = (DEV / "README.rst").read_text(encoding="utf-8")
        page += (DEV / "benchmark" / "README.md").read_text(encoding="utf-8")
        for name in commands():
            with self.subTest(command=name):
                self.assertIn(f"dev/{name}", page)
