# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job carries, as JSON: the codec and the field that uses it.

``encoding`` turns Python values into JSON text that a jsonb column keeps,
``decoding`` turns it back within an environment, ``serialized`` is the field.
"""

from .canonical import canonical
from .decoding import JobDecoder, decode
from .encoding import (
    JobEncoder,
    encode,
    encode_args,
    encode_kwargs,
    encode_recordset,
    env_part,
    recordset_json,
)
from .keys import IdentityKey
from .masking import HIDDEN, MaskedNames, mask
from .numbers import BigInteger, BigMany2one
from .serialized import JobSerialized, Undecodable

__all__ = [
    "HIDDEN",
    "BigInteger",
    "BigMany2one",
    "IdentityKey",
    "JobDecoder",
    "JobEncoder",
    "JobSerialized",
    "MaskedNames",
    "Undecodable",
    "canonical",
    "decode",
    "encode",
    "encode_args",
    "encode_kwargs",
    "encode_recordset",
    "env_part",
    "mask",
    "recordset_json",
]
