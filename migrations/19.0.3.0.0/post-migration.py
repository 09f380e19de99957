# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""From an earlier ``queue_job``: graphs, channels, policy, jobs on their way."""

import logging

from odoo import SUPERUSER_ID, api

_logger = logging.getLogger(__name__)

_HAS_COLUMN = """
SELECT EXISTS (SELECT FROM pg_attribute
                WHERE attrelid = 'queue_job'::regclass AND attname = %s
                  AND NOT attisdropped)
"""
# Each job had the uuids of the jobs that it waits for. Now all that wait for the same
# ones stand behind one barrier. A job that is not there any more was done: with one
# that was cancelled, those that waited for it were cancelled as well.
_BARRIERS = """
CREATE TEMPORARY TABLE queue_job_waiting ON COMMIT DROP AS
SELECT child.id, array_agg(parent.id ORDER BY parent.id) AS parents
  FROM queue_job AS child
 CROSS JOIN LATERAL jsonb_array_elements_text(
     CASE WHEN child.dependencies LIKE '{%' THEN
         child.dependencies::jsonb -> 'depends_on' END) AS needed (uuid)
  JOIN queue_job AS parent ON parent.uuid = needed.uuid
 WHERE child.barrier_id IS NULL
 GROUP BY child.id;

CREATE TEMPORARY TABLE queue_job_before ON COMMIT DROP AS
SELECT nextval('queue_job_barrier_id_seq')::integer AS id, parents
  FROM (SELECT DISTINCT parents FROM queue_job_waiting) AS found;

INSERT INTO queue_job_edge (barrier_id, parent_id, met)
SELECT before.id, parent.id, parent.state = 'done'
  FROM queue_job_before AS before
 CROSS JOIN LATERAL unnest(before.parents) AS needed (id)
  JOIN queue_job AS parent ON parent.id = needed.id;

INSERT INTO queue_job_barrier (id, remaining)
SELECT barrier_id, count(*) FILTER (WHERE NOT met)
  FROM queue_job_edge
 WHERE barrier_id IN (SELECT id FROM queue_job_before)
 GROUP BY barrier_id;

UPDATE queue_job AS job SET barrier_id = before.id
  FROM queue_job_waiting AS waiting
  JOIN queue_job_before AS before USING (parents)
 WHERE job.id = waiting.id;
"""
_OBSOLETE = """
ALTER TABLE queue_job
    DROP COLUMN IF EXISTS dependencies,
    DROP COLUMN IF EXISTS channel_method_name
"""
_RELEASE = """
UPDATE queue_job AS job SET state = 'pending'
 WHERE state = 'wait_dependencies'
   AND NOT EXISTS (
       SELECT 1 FROM queue_job_barrier AS barrier
        WHERE barrier.id = job.barrier_id AND barrier.remaining > 0)
"""
# The requests for these jobs died with the servers that were stopped. Those that were
# started are rescued by the runner, which sees that nobody executes them.
_PUT_BACK = """
UPDATE queue_job SET state = 'pending', date_enqueued = NULL
 WHERE state = 'enqueued'
"""
_UNKNOWN_CHANNELS = """
SELECT DISTINCT channel FROM queue_job
 WHERE state NOT IN ('done', 'cancelled')
   AND channel NOT IN (SELECT complete_name FROM queue_job_channel)
"""
_MOVE = """
UPDATE queue_job SET channel = %s
 WHERE channel = %s AND state NOT IN ('done', 'cancelled')
"""


def migrate(cr, version):
    _convert_graphs(cr)
    cr.execute(_PUT_BACK)
    env = api.Environment(cr, SUPERUSER_ID, {})
    _allow_every_method(env)
    _keep_channels(env)


def _convert_graphs(cr):
    cr.execute(_HAS_COLUMN, ("dependencies",))
    if cr.fetchone()[0]:
        cr.execute(_BARRIERS)
    cr.execute(_RELEASE)
    cr.execute(_OBSOLETE)


def _allow_every_method(env):
    """Before, every method could be delayed: nothing that works may stop working."""
    parameters = env["ir.config_parameter"]
    if not parameters.get_param("queue_job.delay_policy"):
        parameters.set_param("queue_job.delay_policy", "any")


def _keep_channels(env):
    """The channels that jobs wait in exist; the root has a capacity."""
    channels = env["queue.job.channel"]
    root = env.ref("queue_job.channel_root")
    if not root.capacity:
        root.capacity = 1
    env.flush_all()
    env.cr.execute(_UNKNOWN_CHANNELS)
    for (name,) in env.cr.fetchall():
        try:
            channel = channels._ensure(name)
        except ValueError as error:
            _logger.warning("Jobs of channel %s go to root: %s", name, error)
            channel = root
        env.flush_all()
        env.cr.execute(_MOVE, (channel.complete_name, name))
