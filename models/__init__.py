# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import (
    base,
    ir_model_fields,
    queue_job,
    queue_job_guard,
    queue_job_verbs,
    queue_job_failure,
    queue_job_related_action,
    queue_job_retention,
    queue_job_try,
    queue_job_lock,
    queue_job_channel,
    queue_job_channel_effective,
    queue_job_display,
    queue_job_function,
    queue_job_function_config,
    res_config_settings,
)
