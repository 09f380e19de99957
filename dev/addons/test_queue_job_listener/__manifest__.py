# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Job Queue Tests: Listener",
    "version": "19.0.1.0.0",
    "summary": "An add-on that watches all jobs go by, for the tests of the job queue",
    "author": "Job Queue contributors",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["test_queue_job"],
    "data": ["security/ir.model.access.csv"],
}
