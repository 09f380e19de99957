# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Job Queue Tests: Hooks",
    "version": "19.0.1.0.0",
    "summary": "Delays its own methods while it is installed, updated and removed",
    "author": "Job Queue contributors",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["test_queue_job"],
    "pre_init_hook": "before_installation",
    "post_init_hook": "after_installation",
}
