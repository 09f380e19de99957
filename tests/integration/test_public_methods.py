# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Every door of the add-on, and who may go through it: a new one needs a line here."""

import inspect
from unittest.mock import patch

from odoo import http
from odoo.exceptions import AccessError
from odoo.models import BaseModel
from odoo.service.model import call_kw, get_public_method
from odoo.tests.common import TransactionCase, new_test_user

from odoo.addons.queue_job.controllers.main import RunJobController
from odoo.addons.queue_job.controllers.operations import OperationsController
from odoo.addons.queue_job.storage import figures, progress

PREFIX = "odoo.addons.queue_job."
_OWN_TESTS = f"{PREFIX}tests."

#: who may call what over RPC: code alone, a group and those above it, or any user
CODE, USER = "code", "user"
VIEWER, OPERATOR, MANAGER = "viewer", "operator", "manager"
RANKS = (USER, VIEWER, OPERATOR, MANAGER)

#: ``{model: {method: (who, arguments)}}``
PUBLIC = {
    "base": {"with_delay": (CODE,), "delayable": (CODE,)},
    "queue.job": {
        "asked_jobs": (USER,),
        "open_asked_job": (USER,),  # of his own jobs: tested with the bar of jobs
        "failed_count": (VIEWER,),
        "dashboard": (VIEWER,),
        "live_look": (VIEWER, "tab"),
        "live_leave": (VIEWER, "tab"),
        "graph_picture": (VIEWER,),
        "open_related_action": (VIEWER,),
        "related_action_open_record": (VIEWER,),
        "open_graph_jobs": (VIEWER,),
        "requeue": (OPERATOR,),
        "button_done": (OPERATOR,),
        "button_cancelled": (OPERATOR,),
        "button_stop": (OPERATOR,),
        "autovacuum": (CODE,),
    },
    "queue.job.channel": {
        "open_jobs": (VIEWER,),
        "button_pause": (MANAGER,),
        "button_resume": (MANAGER,),
        "button_more": (MANAGER,),
        "button_less": (MANAGER,),
        "button_sequential": (MANAGER,),
        "button_parallel": (MANAGER,),
    },
    "queue.job.function": {
        "job_function_name": (CODE,),
        "job_config": (CODE,),
        "job_default_config": (CODE,),
        "open_jobs": (VIEWER,),
        "open_failed_jobs": (VIEWER,),
    },
    "queue.job.failure.group": {
        "open_jobs": (VIEWER,),
        "button_requeue": (OPERATOR,),
        "button_discard": (OPERATOR,),
    },
    "queue.job.record.mixin": {"open_queue_jobs": (VIEWER,)},
    "queue.job.bulk": {"apply": (OPERATOR,)},
    "queue.job.demo": {"create_jobs": (MANAGER,)},
    "queue.requeue.job": {"requeue": (OPERATOR,)},
    "queue.jobs.to.done": {"set_done": (OPERATOR,)},
    "queue.jobs.to.cancelled": {"set_cancelled": (OPERATOR,)},
    # Odoo's own names, for who administrates the system
    "res.config.settings": {"get_values": (CODE,), "set_values": (CODE,)},
}
#: what each model has: judged by the rights on it, which test_security states
OF_ALL_MODELS = frozenset(dir(BaseModel))

ROUTES = {
    ("/queue_job/runjob", "none"),  # by its proof
    ("/queue_job/create_test_job", "user"),  # who administrates the users
    ("/queue_job/health", "none"),  # by the token
    ("/queue_job/metrics", "none"),
}


def own_methods(model_class):
    """The public methods that the add-on gives the model."""
    for klass in model_class.__mro__:
        if klass.__module__.startswith(PREFIX) and not klass.__module__.startswith(
            _OWN_TESTS
        ):
            for name, value in vars(klass).items():
                if inspect.isfunction(value) and not name.startswith("_"):
                    yield name


class TestPublicMethods(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            USER: [
                new_test_user(cls.env, "t_portal", "base.group_portal"),
                new_test_user(cls.env, "t_plain", "base.group_user"),
            ]
        }
        for rank in RANKS[1:]:
            login = f"t_{rank}"
            group = f"queue_job.group_queue_job_{rank}"
            cls.users[rank] = [new_test_user(cls.env, login, group)]

    def test_every_public_method_is_classified(self):
        found = {}
        for name in self.env:
            model_class = type(self.env[name])
            names = set(own_methods(model_class)) - OF_ALL_MODELS
            if name != "base":
                names -= PUBLIC["base"].keys()
            if names and PREFIX in str(model_class._inherit_module or PREFIX):
                found[name] = names
        own = {name: set(methods) for name, methods in PUBLIC.items()}
        for name, methods in found.items():
            known = set().union(*(own.get(each, set()) for each in self.parts(name)))
            with self.subTest(model=name):
                self.assertEqual(methods - known, set(), "classify it in PUBLIC")
        for name, methods in own.items():
            with self.subTest(model=name):
                have = set(own_methods(type(self.env[name])))
                self.assertLessEqual(methods, have, "it is gone: take it out of PUBLIC")

    def parts(self, name):
        """The model and those that it inherits from."""
        return {
            klass._name
            for klass in type(self.env[name]).__mro__
            if getattr(klass, "_name", None)
        } | {name}

    def test_what_is_for_code_alone_cannot_be_called_from_outside(self):
        for name, methods in PUBLIC.items():
            for method, (who, *_arguments) in methods.items():
                if who is CODE and name != "res.config.settings":
                    with self.subTest(f"{name}.{method}"):
                        with self.assertRaises(AccessError):
                            get_public_method(self.env[name], method)

    def test_who_is_below_the_rank_is_refused_and_who_has_it_is_not(self):
        for name, methods in PUBLIC.items():
            for method, (who, *arguments) in methods.items():
                if who in RANKS[1:]:
                    self.check_ranks(name, method, who, arguments)

    def check_ranks(self, name, method, who, arguments):
        rank = RANKS.index(who)
        for each in RANKS:
            for user in self.users[each]:
                with self.subTest(f"{name}.{method} by {user.login}"):
                    if RANKS.index(each) < rank:
                        with self.assertRaises(AccessError):
                            self.call(name, method, user, arguments)
                    else:
                        self.call(name, method, user, arguments)

    def call(self, name, method, user, arguments):
        """As a request does, on a record of its own, undone afterwards."""
        with self.env.cr.savepoint() as point:
            record = self.record_of(name)
            model = self.env[record._name].with_user(user)
            self.env.flush_all()
            self.env.invalidate_all()
            if not hasattr(getattr(type(model), method), "_api_model"):
                arguments = [record.ids, *arguments]
            try:
                with patch.object(figures, "runners", return_value=[]):
                    return call_kw(model, method, arguments, {})
            finally:
                self.env.clear()
                point.rollback()

    def record_of(self, name):
        env = self.env
        if name == "queue.job.record.mixin":
            record = env["test.queue.record"].create({"name": "x"})
            return record
        if name == "queue.job.channel":
            return env[name].create({"name": "t_doors", "capacity": 3})
        if name == "queue.job.function":
            return env.ref("queue_job.job_function_queue_job__test_job")
        if name in ("queue.job", "queue.job.failure.group"):
            return self.job(name)
        return env[name].create(self.wizard_values(name))

    def job(self, name):
        partner = self.env["res.partner"].create({"name": "Somebody"})
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        job = partner.with_delay().write({"ref": "x"}).db_record().sudo()
        if name == "queue.job":
            return job
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'failed', exc_name = 't.DoorError'"
            " WHERE id = %s",
            (job.id,),
        )
        self.env.invalidate_all()
        return self.env[name].search([("exc_name", "=", "t.DoorError")])

    def wizard_values(self, name):
        if name == "queue.job.bulk":
            return {"operation": "cancelled", "domain": [["id", "=", 0]]}
        if name == "queue.job.demo":
            return {}
        return {"job_ids": [(6, 0, self.job("queue.job").ids)]}

    def test_asked_jobs_are_those_of_the_user_alone_and_not_too_many(self):
        """Each told its progress and is over: asked for by its id."""
        mine, theirs = (self.over(user) for user in self.users[USER])
        jobs = self.env["queue.job"].with_user(self.users[USER][0])
        found = jobs.asked_jobs([theirs.id] * 99 + [mine.id] * 10)
        self.assertEqual([each["id"] for each in found], [mine.id])
        found = jobs.asked_jobs([theirs.id] * 100 + [mine.id])
        self.assertEqual(found, [], "more ids than a browser asks for")

    def over(self, user):
        job = self.env["queue.job"].with_user(user).with_delay()._test_job()
        record = job.db_record().sudo()
        progress.write(self.env.cr, record.id, 1, 2, "half")
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'done' WHERE id = %s", (record.id,)
        )
        self.env.invalidate_all()
        return record

    def test_every_route_is_classified(self):
        found = set()
        for controller in (RunJobController, OperationsController):
            for _name, method in inspect.getmembers(controller, inspect.isfunction):
                routing = getattr(method, "original_routing", None)
                if routing:
                    found |= {(each, routing["auth"]) for each in routing["routes"]}
        self.assertEqual(found, ROUTES)
        every = {
            klass.__name__
            for klass in http.Controller.children_classes.get("queue_job", ())
        }
        own = {RunJobController.__name__, OperationsController.__name__}
        self.assertEqual(every, own, "a new controller: have its routes checked here")
