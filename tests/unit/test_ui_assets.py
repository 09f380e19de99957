# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the browser gets takes its colours from the theme, bright or dark."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

COLOR = re.compile(
    r"""
      \#[0-9a-fA-F]{3,8}\b
    | \b(?:rgb|rgba|hsl|hsla)\(\s*[\d.]
    | (?<![\w$-])(?:white|black|red|green|blue|gr[ae]y|yellow|orange|silver)(?![\w-])
    """,
    re.VERBOSE,
)
#: classes of Bootstrap that are the same in a dark theme
BRIGHT = re.compile(r"\b(?:bg|text|border|btn)-(?:white|black|light|dark)\b")
STYLE = re.compile(r"""style\s*=\s*["'][^"']*(?:color|background)""")


def sources(*patterns):
    for pattern in patterns:
        yield from sorted(ROOT.glob(pattern))


class TestColors(unittest.TestCase):
    def check(self, pattern, *patterns):
        paths = list(sources(*patterns))
        self.assertTrue(paths)
        found = []
        for path in paths:
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                code = line.split("//")[0] if path.suffix == ".scss" else line
                if pattern.search(code):
                    found.append(f"{path.name}:{number}: {line.strip()}")
        self.assertFalse(found)

    def test_style_sheets_name_no_color_of_their_own(self):
        self.check(COLOR, "static/src/**/*.scss")

    def test_scripts_take_colors_from_the_theme(self):
        self.check(re.compile(r"#[0-9a-fA-F]{6}\b|rgba?\("), "static/src/**/*.js")

    def test_no_view_or_template_has_a_color_that_stays_bright(self):
        for pattern in (BRIGHT, STYLE):
            self.check(pattern, "static/src/**/*.xml", "views/*.xml", "wizards/*.xml")
