# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The template has all texts, languages are complete, and users see theirs."""

import io
import re
import unittest
from collections import Counter
from pathlib import Path

import polib

from odoo.exceptions import UserError, ValidationError
from odoo.tests.common import TransactionCase
from odoo.tools.translate import code_translations, load_language, trans_export

FOLDER = Path(__file__).resolve().parents[2] / "i18n"
LANGUAGES = ("de", "es", "fr", "nl", "pt_BR")
#: said of a translation that is the text itself (dev/translations.py writes it)
SAME = "the same in this language"
PLACE = re.compile(r"%(?:\(\w+\))?[sd]|</?[\w.]+")
WAY_OUT = "run dev/i18n, and translate what it lists as missing"


def kinds(entry):
    """Where a text is used, without the names of files and records."""
    marks = [line for line in entry.comment.split("\n") if line.startswith("odoo-")]
    used = {
        re.match(r"code|[\w.]+:[\w.]+,\w+", name)[0] for name, _no in entry.occurrences
    }
    return frozenset(marks) | used


def frame(text):
    """What a translation has in common with its text: places, tags, outer blanks."""
    places = PLACE.findall(text)
    unnamed = [place for place in places if place in ("%s", "%d")]
    return Counter(places), unnamed, re.findall(r"^\s|\s$", text)


def catalog(name):
    return polib.pofile((FOLDER / name).read_text(encoding="utf-8"))


class TestTemplate(TransactionCase):
    def test_the_template_has_the_texts_that_there_are(self):
        exported = io.BytesIO()
        trans_export(None, ["queue_job"], exported, "po", self.env)
        found = {e.msgid: kinds(e) for e in polib.pofile(exported.getvalue().decode())}
        kept = {entry.msgid: kinds(entry) for entry in catalog("queue_job.pot")}
        self.assertGreater(len(found), 400)
        problems = [f"not in the template: {text!r}" for text in found.keys() - kept]
        problems += [f"not used any more: {text!r}" for text in kept.keys() - found]
        problems += [
            f"used elsewhere: {text!r}"
            for text in found.keys() & kept
            if found[text] != kept[text]
        ]
        told = "\n".join(["i18n/queue_job.pot is stale; " + WAY_OUT, *sorted(problems)])
        self.assertFalse(problems, told)


class TestLanguages(unittest.TestCase):
    def test_every_language_has_the_texts_of_the_template(self):
        wanted = [(e.msgid, e.comment, e.occurrences) for e in catalog("queue_job.pot")]
        self.assertEqual(sorted(po.stem for po in FOLDER.glob("*.po")), [*LANGUAGES])
        for language in LANGUAGES:
            found = [
                (e.msgid, e.comment, e.occurrences) for e in catalog(f"{language}.po")
            ]
            self.assertTrue(found == wanted, f"i18n/{language}.po is stale; {WAY_OUT}")

    def test_every_text_is_translated_and_none_by_a_guess(self):
        for language in LANGUAGES:
            problems = [
                entry.msgid
                for entry in catalog(f"{language}.po")
                if entry.fuzzy
                or entry.obsolete
                or not (entry.msgstr or entry.tcomment == SAME)
            ]
            self.assertFalse(problems, f"in i18n/{language}.po; {WAY_OUT}")

    def test_translations_keep_the_places_and_the_tags_of_their_texts(self):
        for language in LANGUAGES:
            problems = [
                (entry.msgid, entry.msgstr)
                for entry in catalog(f"{language}.po")
                if entry.msgstr and frame(entry.msgstr) != frame(entry.msgid)
            ]
            self.assertFalse(problems, f"put right in i18n/{language}.po")

    def test_what_is_no_translation_is_seen(self):
        for text, said in (
            ("%s of %(all)s", "%s von %(alle)s"),
            ("%d of %s", "%s von %d"),
            ("<b>one</b>", "<i>eins</i>"),
            (", seen", "gesehen "),
        ):
            with self.subTest(said=said):
                self.assertNotEqual(frame(said), frame(text))
        self.assertEqual(frame("of %(b)s %(a)s"), frame("%(a)s of %(b)s"))


class TestFrench(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        load_language(cls.env.cr, "fr_FR")
        cls.french = cls.env["base"].with_context(lang="fr_FR").env

    def test_a_menu_a_field_and_a_state_are_shown_in_french(self):
        menu = self.french.ref("queue_job.menu_queue_job_channel")
        self.assertEqual(menu.name, "Canaux")
        fields = self.french["queue.job"].fields_get(["state", "priority"])
        self.assertEqual(fields["priority"]["string"], "Priorité")
        self.assertIn(("pending", "En attente"), fields["state"]["selection"])

    def test_a_view_is_shown_in_french(self):
        view = self.french["queue.job"].get_view(view_type="form")
        self.assertIn('string="Remettre en file"', view["arch"])

    def test_an_error_is_told_in_french(self):
        job = self.french["queue.job"].browse()
        with self.assertRaisesRegex(UserError, "ne peut pas être dupliqué"):
            job.copy()

    def test_what_a_pattern_lacks_is_told_in_french(self):
        function = self.french["queue.job.function"].create(
            {"name": "<res.partner>.write"}
        )
        with self.assertRaises(ValidationError) as caught:
            function.edit_retry_pattern = "{'first': 3}"
        self.assertIn("Clé 'first' d'un modèle", str(caught.exception))

    def test_the_name_of_a_channel_is_refused_in_french(self):
        with self.assertRaisesRegex(ValidationError, "n'est pas le nom d'un canal"):
            self.french["queue.job.channel"].create({"name": "a:b"})

    def test_the_browser_gets_its_texts_in_french(self):
        texts = code_translations.get_web_translations("queue_job", "fr_FR")
        french = {each["id"]: each["string"] for each in texts["messages"]}
        self.assertEqual(french["Failed Jobs"], "Jobs en échec")
        self.assertEqual(french["Your jobs"], "Vos jobs")
