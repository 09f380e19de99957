# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Python under another clock (dev/lib/clock.sh): it has to sleep in another way.

``time.sleep()`` waits for a moment of the monotonic clock, which libfaketime 0.9.10
refuses with EINVAL while that clock is the true one.
"""

import select
import time


def sleep(seconds):
    select.select([], [], [], seconds)


time.sleep = sleep
