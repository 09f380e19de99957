# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the documentation says can be done, and what it names is there."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shlex
import unittest
from dataclasses import fields
from unittest.mock import patch

from lxml import etree

from odoo.cli import command as odoo_commands
from odoo.tools import config as odoo_config

from odoo.addons.queue_job.core import channel_config
from odoo.addons.queue_job.jobrunner.config import Config

from ..documentation import IS_CHECKOUT, ROOT, Sample, documents, samples, tree_of

#: programs that samples use and the project does not bring along
TOOLS = {"curl"}
_FILE = re.compile(r"``((?:[\w.]+/)*\.?[\w-]+(?:\.(?:py|rst)|/))``")
_CONSTANT = re.compile(r"``([\w/]+\.py): (\w+)``")
_LINK = re.compile(r"<([\w./]+\.rst)>`_")
_PARAMETER = re.compile(
    r"""get_param\(\s*["']queue_job\.(\w+)|'queue_job\.(\w+)'"""
    r"""|config_parameter="queue_job\.(\w+)"""
)


def check_python(text):
    compile(text, "sample", "exec", ast.PyCF_ONLY_AST)


def check_xml(text):
    etree.fromstring(text)


def check_ini(text):
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    for section in parser.sections():
        known = _KEYS[section]
        for key, value in parser.items(section):
            if key not in known:
                raise ValueError(f"[{section}] has no key {key}")
            if key == "channels":
                channel_config.parse(value)


_KEYS = {
    "options": set(odoo_config.options),
    "queue_job": {field.name for field in fields(Config)},
}


def check_console(text):
    for line in text.replace("\\\n", " ").splitlines():
        program, *arguments = shlex.split(line)
        if program.startswith("./"):
            check_script(program, arguments)
        elif program == "odoo-bin":
            check_odoo_command(arguments)
        elif program not in TOOLS:
            raise ValueError(f"{program} is no script of ours")


def check_script(program, arguments):
    if not IS_CHECKOUT:
        return  # an installed package has no scripts
    if not os.access(ROOT / program, os.X_OK):
        raise ValueError(f"{program} does not exist")
    for argument in arguments:
        if not argument.startswith("-") and not (ROOT / argument).exists():
            raise ValueError(f"{argument} does not exist")


def check_odoo_command(arguments):
    name, *rest = arguments
    with patch.dict(odoo_commands.commands):
        odoo_commands.load_addons_commands(name)
        command = odoo_commands.commands[name]
        # Odoo loads the script alone: it is no module that could be imported
        parse = command.run.__globals__["_parse"]
        try:
            parse(command(), rest)
        except SystemExit as end:
            raise ValueError(f"odoo-bin does not take {arguments}") from end


def check_picture(_text):
    """A picture says what it says."""


CHECKS = {
    "python": check_python,
    "xml": check_xml,
    "ini": check_ini,
    "console": check_console,
    "text": check_picture,
}


def check(sample: Sample):
    if sample.language not in CHECKS:
        raise ValueError(f"a sample in the language {sample.language or '?'}")
    CHECKS[sample.language](sample.text)


class TestDocumentation(unittest.TestCase):
    def test_each_document_is_sound(self):
        paths = documents()
        self.assertGreaterEqual(len(paths), 6 if IS_CHECKOUT else 3)
        for path in paths:
            with self.subTest(path=path.name):
                self.assertTrue(tree_of(path).children)

    def test_each_sample_is_one_of_its_language(self):
        found = [sample for path in documents() for sample in samples(path)]
        self.assertGreater(len(found), 20 if IS_CHECKOUT else 3)
        for sample in found:
            with self.subTest(sample.place):
                check(sample)

    def test_only_the_architecture_has_pictures(self):
        for path in documents():
            languages = {sample.language for sample in samples(path)}
            with self.subTest(path=path.name):
                self.assertEqual("text" in languages, path.stem == "architecture")

    def test_the_readme_opens_with_the_two_commands_and_an_example(self):
        first, second, *_rest = samples(ROOT / "README.rst")
        self.assertEqual(first.text.split(), ["./dev/run", "./dev/test"])
        self.assertEqual(second.language, "python")
        self.assertLessEqual(len(second.text.splitlines()), 18)

    def test_links_lead_to_documents(self):
        for path in documents():
            text = path.read_text(encoding="utf-8")
            for target in _LINK.findall(text):
                with self.subTest(path=path.name, target=target):
                    inside = IS_CHECKOUT or not target.startswith(("doc/", "dev/"))
                    self.assertTrue(not inside or (path.parent / target).is_file())

    def test_files_that_are_named_exist(self):
        for path in documents() if IS_CHECKOUT else []:
            for name in _FILE.findall(path.read_text(encoding="utf-8")):
                with self.subTest(path=path.name, file=name):
                    self.assertTrue(name in GENERATED or (ROOT / name).exists())

    def test_constants_that_are_named_exist(self):
        for path in documents():
            for name, constant in _CONSTANT.findall(path.read_text(encoding="utf-8")):
                with self.subTest(file=name, constant=constant):
                    source = (ROOT / name).read_text(encoding="utf-8")
                    self.assertRegex(source, rf"(?m)^{constant} = ")


#: made by a script
GENERATED = {"dist/"}


class TestConfiguration(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.readme = (ROOT / "README.rst").read_text(encoding="utf-8")

    def test_the_readme_names_each_key_and_its_variable(self):
        for field in fields(Config):
            with self.subTest(key=field.name):
                self.assertIn(f"   * - ``{field.name}``\n", self.readme)
                variable = f"ODOO_QUEUE_JOB_{field.name.upper()}"
                self.assertIn(f"     - ``{variable}``\n", self.readme)

    def test_the_readme_names_no_variable_that_is_not_read(self):
        known = {f"ODOO_QUEUE_JOB_{field.name.upper()}" for field in fields(Config)}
        self.assertEqual(set(re.findall(r"ODOO_QUEUE_JOB_\w+", self.readme)), known)

    def test_the_readme_names_each_system_parameter_that_is_read(self):
        named = set(re.findall(r"   \* - ``queue_job\.(\w+)``\n", self.readme))
        read = set()
        for folder in ("controllers", "models", "storage"):
            for path in (ROOT / folder).glob("*.py"):
                for match in _PARAMETER.findall(path.read_text(encoding="utf-8")):
                    read.update(filter(None, match))
        self.assertEqual(named, read)


class TestTheChecks(unittest.TestCase):
    """The checks themselves, on samples that were made up."""

    def test_what_is_wrong_is_found(self):
        for language, text in (
            ("", "anything"),
            ("bash", "./dev/test"),
            ("python", "def f(:"),
            ("xml", "<odoo>"),
            ("ini", "channels = root:1"),
            ("ini", "[queue_job]\nchannel = root:1"),
            ("ini", "[queue_job]\nchannels = root:many"),
            ("console", "./dev/nothing" if IS_CHECKOUT else "nothing"),
            ("console", "make it so"),
            ("console", "odoo-bin queue_job status --colour"),
        ):
            with self.subTest(language=language, text=text):
                with self.assertRaises((ValueError, SyntaxError, configparser.Error)):
                    with patch("sys.stderr"):
                        check(Sample("here", language, text, False))

    def test_what_is_right_passes(self):
        for language, text in (
            ("python", "f(1)"),
            ("xml", "<odoo/>"),
            ("ini", "[options]\nworkers = 4\n[queue_job]\nchannels = root:4"),
            ("console", "odoo-bin queue_job run -d production --wait 5"),
        ):
            with self.subTest(language=language):
                check(Sample("here", language, text, False))
