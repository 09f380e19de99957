# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""All orders of what runners, leases and people do to a few jobs, on PostgreSQL itself.

The code that is driven is the real one. Each actor is a thread with connections of its
own; each statement on the queue's tables and each commit is a step, which an actor
takes only when it is told to. So an order of steps can be chosen, repeated, and
replaced by the next one.

``wire``      connections whose statements are steps
``stage``     the actors, and one step at a time
``search``    which order comes next
``scenes``    what the actors do, and to which jobs
``checks``    what must be true whatever the order
``planted``   faults that have to be found, or the search proves nothing
"""
