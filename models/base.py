# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

import functools
import inspect
from contextlib import suppress

from odoo import api, models

from ..client_context import sent
from ..declaration import declared

# The name must be found here: test helpers replace it in this module.
from ..delay import Delayable, DelayableRecordset
from ..option_values import refuse_unknown
from ..utils import must_run_without_delay


class Base(models.AbstractModel):
    """The base model, which is implicitly inherited by all models."""

    _inherit = "base"

    @api.private
    def with_delay(
        self,
        priority=None,
        eta=None,
        max_retries=None,
        description=None,
        channel=None,
        identity_key=None,
        timeout=None,
        **unknown,
    ):
        """Return a ``DelayableRecordset``: calling a method on it enqueues the call.

        Usage::

            self.env["res.users"].with_delay().write({"name": "test"})

        :param priority: 0 is the highest. Default 10.
        :param eta: not before this moment: seconds or timedelta from now, or datetime.
        :param max_retries: tries before the job is set to failed. 0: no limit.
            Default 5.
        :param description: text for people. Default: from the docstring or the name
            of the method.
        :param channel: complete name of the channel, instead of the function's.
        :param identity_key: text (or function of the job that returns one, None for
            no key): while a job with the same key has not started, the new one is not
            added.
        :param timeout: seconds or timedelta that an attempt may take. 0: no limit.
            Default: of the function.
        :return: instance of a ``DelayableRecordset``
        :raises TypeError: an option that does not exist, or of a wrong type
        :raises ValueError: an option out of what is possible

        The job is stored in the current transaction: it runs when, and only when,
        that one commits.

        The context key ``queue_job__no_delay=True`` or the environment variable
        ``QUEUE_JOB__NO_DELAY=1`` has the calls run at once (so do the older
        ``test_queue_job_no_delay`` and ``TEST_QUEUE_JOB_NO_DELAY``).
        """
        refuse_unknown("with_delay()", unknown)
        options = {} if timeout is None else {"timeout": timeout}
        return DelayableRecordset(
            self,
            priority=priority,
            eta=eta,
            max_retries=max_retries,
            description=description,
            channel=channel,
            identity_key=identity_key,
            **options,
        )

    @api.private
    def delayable(
        self,
        priority=None,
        eta=None,
        max_retries=None,
        description=None,
        channel=None,
        identity_key=None,
        timeout=None,
        **unknown,
    ):
        """Return a ``Delayable``: a call to set up, to put into a graph, to delay.

        Usage::

            chain(
                self.delayable().prepare(),
                group(self.delayable().pack(), self.delayable().print_label()),
            ).delay()

        The parameters are those of :meth:`with_delay`.
        """
        refuse_unknown("delayable()", unknown)
        options = {} if timeout is None else {"timeout": timeout}
        return Delayable(
            self,
            priority=priority,
            eta=eta,
            max_retries=max_retries,
            description=description,
            channel=channel,
            identity_key=identity_key,
            **options,
        )

    # -------------------------------------------------- calls that delay themselves

    def _patch_job_auto_delay(self, method_name, context_key=None):
        """Return a function for the model's class whose calls delay themselves.

        To be used in ``_register_hook``::

            def _register_hook(self):
                patched = self._patch_job_auto_delay("export", "auto_delay_export")
                setattr(type(self), "export", patched)
                return super()._register_hook()

        The call runs at once inside of a job, where queueing is off, and when
        ``context_key`` is given and not set in the context. Options for
        ``with_delay()`` come from ``<method>_job_options()``, called with the same
        arguments.

        :param context_key: only calls with this key in their context are delayed
        """

        def auto_delay(self, *args, **kwargs):
            direct = (
                (self.env.context.get("job_uuid") and not sent("job_uuid"))
                or (context_key and not self.env.context.get(context_key))
                or must_run_without_delay(self.env)
            )
            if direct:
                return auto_delay.origin(self, *args, **kwargs)
            options = getattr(self, f"{method_name}_job_options", None)
            delayed = self.with_delay(**(options(*args, **kwargs) if options else {}))
            return getattr(delayed, method_name)(*args, **kwargs)

        origin = getattr(type(self), method_name)
        functools.update_wrapper(auto_delay, origin)
        auto_delay.origin = origin
        # what is delayed has to fit the method itself
        with suppress(TypeError, ValueError):
            auto_delay.__signature__ = inspect.signature(origin, follow_wrapped=False)
        return auto_delay

    @api.model
    def _patch_method(self, name, method):
        """Put ``method`` in the place of the model's method ``name``."""
        origin = getattr(type(self), name)
        functools.update_wrapper(method, origin)
        method.origin = origin
        setattr(type(self), name, method)

    # ----------------------------------------------------- what is stored of a call

    @api.model
    def _job_prepare_context_before_enqueue_keys(self):
        """Keys of the context that a job keeps."""
        return (
            "tz",
            "lang",
            "allowed_company_ids",
            "force_company",
            "active_test",
        )

    def _job_prepare_context_before_enqueue(self):
        """The context that a job keeps of the one it is enqueued with."""
        keys = self._job_prepare_context_before_enqueue_keys()
        context = self.env.context
        return {key: context[key] for key in keys if key in context}

    def _job_store_values(self, job):
        """Values of further fields of ``queue.job``, stored with the job.

        A method ``_job_store_values_for_<method>(job)`` gives those of one method.

        :return: dict; values of the fields of this module in it are ignored
        """
        method = getattr(self, f"_job_store_values_for_{job.method_name}", None)
        return method(job) if method else {}

    # -------------------------------------------------------- declared by decorators

    def _register_hook(self):
        super()._register_hook()
        if self._abstract:
            return
        declarations = declared(type(self))
        if declarations and "queue.job.function" in self.env:
            by_place = {(self._name, name): each for name, each in declarations.items()}
            self.env["queue.job.function"]._check_code(by_place)
            self.env["queue.job.function"]._register_declared(by_place)
