# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs found by those that they wait for, or that wait for them."""

from __future__ import annotations

#: ids of the jobs that wait for one of the jobs of a query
BEHIND = """
SELECT job.id FROM queue_job AS job
  JOIN queue_job_edge AS edge ON edge.barrier_id = job.barrier_id
 WHERE edge.parent_id IN (%s)
"""
#: ids of the jobs that one of the jobs of a query waits for
BEFORE = """
SELECT edge.parent_id FROM queue_job_edge AS edge
  JOIN queue_job AS job ON job.barrier_id = edge.barrier_id
 WHERE job.id IN (%s)
"""
