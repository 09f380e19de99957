# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Read XML elements back without reaching anything outside their text."""

import re

from lxml import etree

_PLAIN_START = re.compile(r"<[^?!]")


def parse_element(text):
    """Return the element of its stored XML text.

    :raise SyntaxError, ValueError: the text is not one XML element
    """
    # libxml2's limits stop the expansion of entities, which need a prologue to be
    # declared.  Text that begins with its element has none: it may be large.
    large = bool(_PLAIN_START.match(text))
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=large,
        remove_blank_text=False,
        strip_cdata=False,
    )
    return etree.fromstring(text.encode(), parser)
