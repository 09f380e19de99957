# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The key to the fields of a job that only the machine writes."""

# Only server code can hold this very object: a context that comes from a client is
# made of JSON, so no request can pass for the machine.
EDIT_SENTINEL = object()
SENTINEL_KEY = "_job_edit_sentinel"

#: context key: jobs are looked at by whoever looks: what they carry is not in the hands
#: of whom they run for; no client can give its value
AS_CALLER = "_queue_job_as_caller"
#: context key: whoever writes that a job failed also tells of it
QUIET = "_job_failure_quiet"


def machine(records):
    """``records`` in the hands of the machine."""
    # What a job's verbs may write is decided by the verbs, not by the user's rights
    # on the list of jobs.
    return records.sudo().with_context(
        _job_edit_sentinel=EDIT_SENTINEL, tracking_disable=True
    )
