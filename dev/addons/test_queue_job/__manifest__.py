# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Job Queue Tests",
    "version": "19.0.1.0.0",
    "summary": "Methods to delay, for the tests of the job queue",
    "author": "Job Queue contributors",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["queue_job"],
    "data": [
        "security/ir.model.access.csv",
        "data/queue_data.xml",
        "views/test_queue_record_views.xml",
    ],
}
