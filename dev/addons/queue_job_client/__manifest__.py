# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Client of the Job Queue",
    "version": "19.0.1.0.0",
    "summary": "A small add-on that delays calls, as those of users are (dev/bare)",
    "author": "Job Queue contributors",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["queue_job"],
    "data": ["data/queue_job.xml"],
}
