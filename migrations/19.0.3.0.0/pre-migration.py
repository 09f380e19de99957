# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""From an earlier ``queue_job``: the table as the new indexes need it.

What is added here has its values before the ORM would fill in the same one
everywhere, row by row.
"""

# Whoever wants to know of jobs is told once a transaction, not at every row.
_TRIGGER = """
DROP TRIGGER IF EXISTS queue_job_notify ON queue_job;
DROP FUNCTION IF EXISTS queue_job_notify();
"""
# A constant default fills a column without writing the table.
_COLUMNS = """
ALTER TABLE queue_job
    ADD COLUMN IF NOT EXISTS ready boolean DEFAULT true,
    ADD COLUMN IF NOT EXISTS attempt integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS deaths integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS release_due boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS identity_twin boolean DEFAULT false
"""
_HOLD_BACK = """
UPDATE queue_job SET ready = false
 WHERE state IN ('pending', 'wait_dependencies')
   AND eta > now() AT TIME ZONE 'UTC'
"""
# One not yet started job per key from now on; those that are there stay, all of them.
_TWINS = """
UPDATE queue_job AS job SET identity_twin = true
 WHERE identity_key IS NOT NULL
   AND state IN ('wait_dependencies', 'pending', 'enqueued')
   AND EXISTS (
       SELECT 1 FROM queue_job AS older
        WHERE older.identity_key = job.identity_key AND older.id < job.id
          AND older.state IN ('wait_dependencies', 'pending', 'enqueued'))
"""
_NUMBERS = """
UPDATE queue_job
   SET priority = coalesce(priority, 10), retry = coalesce(retry, 0),
       max_retries = coalesce(max_retries, 5), channel = coalesce(channel, 'root'),
       date_created = coalesce(date_created, now() AT TIME ZONE 'UTC')
 WHERE priority IS NULL OR retry IS NULL OR max_retries IS NULL OR channel IS NULL
    OR date_created IS NULL
"""
# What was JSON in a JSON text becomes JSON. PostgreSQL keeps a NUL in a text alone:
# such a value stays as it is, and is read all the same.
_IN_A_TEXT = (
    "(jsonb_typeof({column}) = 'string' AND strpos({column} #>> '{{}}', '\\u0000') = 0)"
)
_CALLS = """
UPDATE queue_job
   SET records = CASE WHEN {records} THEN (records #>> '{{}}')::jsonb ELSE records END,
       args = CASE WHEN {args} THEN (args #>> '{{}}')::jsonb ELSE args END,
       kwargs = CASE WHEN {kwargs} THEN (kwargs #>> '{{}}')::jsonb ELSE kwargs END
 WHERE {records} OR {args} OR {kwargs}
"""
_SETTINGS = """
UPDATE queue_job_function
   SET retry_pattern = CASE WHEN {retry_pattern}
           THEN (retry_pattern #>> '{{}}')::jsonb ELSE retry_pattern END,
       related_action = CASE WHEN {related_action}
           THEN (related_action #>> '{{}}')::jsonb ELSE related_action END
 WHERE {retry_pattern} OR {related_action}
"""
# Nobody reads these any more; each would cost at every move of a job.
_INDEXES = """
DROP INDEX IF EXISTS
    queue_job__channel_index,
    queue_job__company_id_index,
    queue_job__graph_uuid_index,
    queue_job__state_index,
    queue_job__uuid_index,
    queue_job_channel_date_done_date_created_index,
    queue_job_identity_key_state_partial_index
"""


def migrate(cr, version):
    for statement in (_TRIGGER, _COLUMNS, _HOLD_BACK, _TWINS, _NUMBERS, _INDEXES):
        cr.execute(statement)
    cr.execute(_CALLS.format(**_tests("records", "args", "kwargs")))
    cr.execute(_SETTINGS.format(**_tests("retry_pattern", "related_action")))


def _tests(*columns):
    return {name: _IN_A_TEXT.format(column=name) for name in columns}
