# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the documentation says can be done, and what it names is there."""

from __future__ import annotations

import configparser
import os
import re
import tempfile
import unittest
from unittest.mock import patch

from docutils import nodes
from lxml import etree, html

from odoo.cli import command as odoo_commands
from odoo.tools import config as odoo_config

from odoo.addons.queue_job.jobrunner import config as runner_config
from odoo.addons.queue_job.jobrunner.config import _READERS

from ..documentation import (
    IS_CHECKOUT,
    ROOT,
    Sample,
    command_line,
    documents,
    purpose,
    samples,
    tree_of,
)

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
    purpose(text)


def check_xml(text):
    etree.fromstring(text)


def check_ini(text):
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    for section in parser.sections():
        known = _KEYS[section]
        for key, _value in parser.items(section):
            if key not in known:
                raise ValueError(f"[{section}] has no key {key}")
    load_as_a_server_does(text)


def load_as_a_server_does(text):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        with (
            patch.dict(odoo_config.options, config=file.name),
            patch.dict(os.environ, clear=True),
        ):
            runner_config.load()


_KEYS = {
    "options": set(odoo_config.options),
    "queue_job": set(_READERS),
}


def check_console(text):
    for line in text.replace("\\\n", " ").splitlines():
        environ, program, *arguments = command_line(line)
        if environ and (program != "odoo-bin" or set(environ) != {"ODOO_RC"}):
            raise ValueError(f"{program} reads no {environ}")
        if program.startswith("./"):
            check_script(program, arguments)
        elif program == "odoo-bin":
            check_odoo_command(arguments, environ)
        elif program not in TOOLS:
            raise ValueError(f"{program} is no script of ours")


def check_script(program, arguments):
    if not IS_CHECKOUT:
        return  # an installed package has no scripts
    if not os.access(ROOT / program, os.X_OK):
        raise ValueError(f"{program} does not exist")
    source = (ROOT / program).read_text(encoding="utf-8")
    for argument in arguments:
        known = argument in source if argument[0] == "-" else (ROOT / argument).exists()
        if not known:
            raise ValueError(f"{program} does not know {argument}")


def check_odoo_command(arguments, environ):
    name, *rest = arguments
    if name.startswith("-"):
        check_options_of_the_server(arguments)
        return
    if "ODOO_RC" not in environ:
        raise ValueError(f"Odoo may not find the command {name} without ODOO_RC")
    with patch.dict(odoo_commands.commands):
        odoo_commands.load_addons_commands(name)
        command = odoo_commands.commands[name]
        # Odoo loads the script alone: it is no module that could be imported
        parse = command.run.__globals__["_parse"]
        try:
            parse(command(), rest)
        except SystemExit as end:
            raise ValueError(f"odoo-bin does not take {arguments}") from end


def check_options_of_the_server(arguments):
    parser = odoo_config.parser
    try:
        _options, rest = parser.parse_args(list(arguments))
    except SystemExit as end:
        raise ValueError(f"odoo-bin does not take {arguments}") from end
    if rest:
        raise ValueError(f"odoo-bin does not take {rest}")


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
                    self.assertRegex(source, rf"(?m)^ *{constant} = ")

    def test_what_the_log_is_said_to_tell_is_in_the_code(self):
        if not IS_CHECKOUT:
            return
        code = all_code()
        words = [word for word in symptoms() if len(word.split()) > 1]
        self.assertGreater(len(words), 5)
        for word in words:
            with self.subTest(word):
                # numbers and names are put in
                parts = re.split(r" ?\d+ ?|\(\d+\)", word)
                self.assertTrue(all(part in code for part in parts), parts)

    def test_the_page_under_apps_is_sound(self):
        path = ROOT / "static" / "description" / "index.html"
        page = html.fragment_fromstring(path.read_text(encoding="utf-8"))
        self.assertEqual(page.findtext("h1"), "Job Queue")
        # nothing that would be asked of another server
        links = [link for _el, _attribute, link, _pos in page.iterlinks()]
        self.assertFalse([link for link in links if "//" in link])


def all_code():
    """The text of the add-on's modules, without its line breaks in strings."""
    tops = [top for top in ROOT.iterdir() if top.name not in ("dev", "tests", ".odoo")]
    paths = [path for top in tops for path in (top, *top.rglob("*.py"))]
    texts = [path.read_text(encoding="utf-8") for path in paths if path.suffix == ".py"]
    text = "\n".join(texts)
    return re.sub(r'"\n\s*f?"', "", text)


def symptoms():
    """What the first column of the operator guide's table of troubles quotes."""
    (section,) = (
        each
        for each in tree_of(ROOT / "doc" / "operator_guide.rst").findall(nodes.section)
        if each.next_node(nodes.title).astext() == "Troubleshooting"
    )
    for row in section.next_node(nodes.tbody).findall(nodes.row):
        for literal in row.next_node(nodes.entry).findall(nodes.literal):
            yield literal.astext()


#: made by a script
GENERATED = {"dist/"}


class TestConfiguration(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.readme = (ROOT / "README.rst").read_text(encoding="utf-8")

    def test_the_readme_names_each_key_and_its_variable(self):
        for name in _READERS:
            with self.subTest(key=name):
                self.assertIn(f"   * - ``{name}``\n", self.readme)
                variable = f"ODOO_QUEUE_JOB_{name.upper()}"
                self.assertIn(f"     - ``{variable}``\n", self.readme)

    def test_the_readme_names_no_variable_that_is_not_read(self):
        known = {f"ODOO_QUEUE_JOB_{name.upper()}" for name in _READERS}
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
            ("ini", "[queue_job]\nport = none"),
            ("console", "./dev/nothing" if IS_CHECKOUT else "nothing"),
            ("console", "make it so"),
            ("console", "ODOO_RC=odoo.conf odoo-bin queue_job status --colour"),
            ("console", "odoo-bin queue_job status -c odoo.conf -d production"),
            ("console", "ODOO_DB=x odoo-bin queue_job status -d production"),
            ("console", "ODOO_RC=odoo.conf curl http://localhost"),
            ("console", "odoo-bin --no-such-option"),
            ("console", "./dev/lint --repair" if IS_CHECKOUT else "nothing"),
        ):
            with self.subTest(language=language, text=text):
                with self.assertRaises((ValueError, SyntaxError, configparser.Error)):
                    with patch("sys.stderr"):
                        check(Sample("here", language, text))

    def test_what_is_right_passes(self):
        for language, text in (
            ("python", "f(1)"),
            ("xml", "<odoo/>"),
            ("ini", "[options]\nworkers = 4\n[queue_job]\nchannels = root:4"),
            ("console", "ODOO_RC=odoo.conf odoo-bin queue_job run -d x --wait 5"),
            ("console", "odoo-bin -d production -u queue_job --stop-after-init"),
        ):
            with self.subTest(language=language):
                check(Sample("here", language, text))
