# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the Odoo of a user imports of the tests: nothing here needs more than Odoo.

Odoo imports this package whenever the tests of any add-on run that depends on this one,
and runs the modules whose names begin with ``test_``. ``common`` and ``draining`` are
for the tests of other add-ons. All else, in the folders, needs the set-up of ``dev``:
nothing here imports it, no package has it, and ``dev/test`` runs it.
"""

from . import test_installation
