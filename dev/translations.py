# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Merge what Odoo exported: translations.py EXPORTED TEMPLATE [LANGUAGE...].

The same texts give the same files: nothing in them tells of the time, of the build of
Odoo, or of the order in which files were found.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import polib

#: Said in a .po where a translation is the text itself: Odoo and the linters want an
#: empty one there, which alone could not be told from a missing one.
SAME = "the same in this language"
PLURALS = {"fr": "n > 1", "pt_BR": "n > 1"}


def read(file: Path) -> polib.POFile:
    try:
        return polib.pofile(file.read_text()) if file.exists() else polib.POFile()
    except (OSError, UnicodeError) as error:
        sys.exit(f"error: {file}: {error}: put it right (is it a conflict of a merge?)")


def written(catalog: polib.POFile, file: Path) -> None:
    """Write it unless it is there already, sorted and wrapped as Odoo does."""
    catalog.sort(key=lambda entry: entry.msgid)
    text = str(catalog)
    if not file.exists() or file.read_text() != text:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        print(f"{file.parent.name}/{file.name}: changed")


def template_of(exported: polib.POFile) -> polib.POFile:
    """The exported texts under a header that stays."""
    template = polib.POFile()
    template.header = exported.header
    template.metadata = {
        name: value
        for name, value in exported.metadata.items()
        if name not in ("POT-Creation-Date", "PO-Revision-Date", "Plural-Forms")
    }
    project = exported.metadata["Project-Id-Version"]
    template.metadata["Project-Id-Version"] = re.sub(r"(\d+\.\d+)\S*", r"\1", project)
    for entry in exported:
        entry.occurrences.sort(key=lambda place: (place[0], place[1] or ""))
        template.append(entry)
    return template


def merged(old: polib.POFile, template: polib.POFile, language: str) -> polib.POFile:
    """The texts of the template with the translations that the old catalog has.

    A changed text is untranslated again: Odoo shows a fuzzy translation as if it were a
    right one.  What is gone is in git.
    """
    known = {entry.msgid: entry for entry in old if not entry.obsolete}
    catalog = polib.POFile()
    catalog.header = template.header
    catalog.metadata = {
        **template.metadata,
        "Language": language,
        "Plural-Forms": f"nplurals=2; plural=({PLURALS.get(language, 'n != 1')});",
    }
    for entry in template:
        catalog.append(translated(entry, known.get(entry.msgid)))
    return catalog


def translated(entry: polib.POEntry, known: polib.POEntry | None) -> polib.POEntry:
    usable = known is not None and not known.fuzzy
    same = usable and (known.msgstr == known.msgid or known.tcomment == SAME)
    return polib.POEntry(
        msgid=entry.msgid,
        msgstr=known.msgstr if usable and not same else "",
        comment=entry.comment,
        tcomment=SAME if same else "",
        occurrences=entry.occurrences,
    )


def missing(catalog: polib.POFile) -> list[str]:
    return [e.msgid for e in catalog if not e.msgstr and e.tcomment != SAME]


def main(exported: str, target: str, *languages: str) -> None:
    file = Path(target)
    template = template_of(read(Path(exported)))
    written(template, file)
    names = {po.stem for po in file.parent.glob("*.po")} | set(languages)
    for name in sorted(names):
        po = file.with_name(f"{name}.po")
        catalog = merged(read(po), template, name)
        written(catalog, po)
        left = missing(catalog)
        print(f"{name}: {len(template) - len(left)} of {len(template)} translated")
        for msgid in left:
            print(f"  missing: {msgid[:90]!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
