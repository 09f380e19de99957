# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import (
    test_fields,
    test_fields_decoder,
    test_fields_json,
    test_fields_records,
    test_fields_refusals,
    test_fields_round_trip,
    test_fields_stored_form,
)
