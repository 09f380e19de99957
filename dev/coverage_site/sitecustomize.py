# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""On Python's path of processes whose coverage is measured: one thread is left out.

While an exception waits for a thread that sleeps, Python 3.11 goes round in circles in
all threads that are traced, and gets no further.  The thread that watches over running
jobs raises such exceptions, and has to go on; so it is not traced.
"""

import sys
import threading

_UNTRACED = "queue_job.watch"
_settrace = threading.settrace


def settrace(hook):
    def of_others(frame, event, arg):
        if threading.current_thread().name == _UNTRACED:
            sys.settrace(None)
            return None
        return hook(frame, event, arg)

    _settrace(of_others if hook else hook)


threading.settrace = settrace
settrace(threading.gettrace())
