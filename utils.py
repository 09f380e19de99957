# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PUBLIC: is queueing off?"""

import os

from .client_context import sent

_CONTEXT_KEYS = ("queue_job__no_delay", "test_queue_job_no_delay")
_VARIABLES = ("QUEUE_JOB__NO_DELAY", "TEST_QUEUE_JOB_NO_DELAY")
_OFF = frozenset({"", "0", "false", "no"})


def must_run_without_delay(env) -> bool:
    """Whether a delayed call runs at once, as tests and debugging sessions want it.

    A context key says so for the calls made with it (``queue_job__no_delay`` or
    ``test_queue_job_no_delay``; False delays again), an environment variable
    (``QUEUE_JOB__NO_DELAY`` or ``TEST_QUEUE_JOB_NO_DELAY``) for the whole server.
    """
    context = env.context
    for key in _CONTEXT_KEYS:
        # A client does not choose that a call runs in its request, past the channels.
        if key in context and not sent(key):
            return bool(context[key])
    return any(os.environ.get(name, "").lower() not in _OFF for name in _VARIABLES)
