# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Job Queue: benchmark",
    "summary": "Methods to delay, for the development script dev/bench",
    "version": "19.0.1.0.0",
    "license": "LGPL-3",
    "author": "Job Queue contributors",
    "category": "Hidden",
    "depends": ["queue_job"],
    "data": [
        "security/ir.model.access.csv",
        "data/queue.job.channel.csv",
        "data/bench_job.xml",
    ],
}
