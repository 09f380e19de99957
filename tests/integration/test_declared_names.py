# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A name that stands in a record is called only when code declared it."""

import ast
from itertools import product
from pathlib import Path

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests.common import TransactionCase, new_test_user

from odoo.addons.queue_job import declared_names
from odoo.addons.queue_job.exception import JobError
from odoo.addons.queue_job.job import Job

ROOT = Path(__file__).resolve().parents[2]
#: what administrators of the queue have tried to have called
ATTACKS = (
    "_create",
    "create",
    "write",
    "unlink",
    "search_read",
    "with_user",
    "sudo",
    "_write_multi",
    "env",
    "__class__",
    "message_post",
    "button_done",
    "name",
    "autovacuum",
)
FORGED = {
    "data_list": [
        {
            "stored": {
                "uuid": "forged",
                "state": "pending",
                "model_name": "res.users",
                "method_name": "create",
            },
            "inherited": {},
            "inversed": {},
            "protected": (),
        }
    ]
}
#: ``getattr`` with a name that is not written there: where, and why nobody can use it.
#: {file: (how many, why)}
GETATTRS = {
    "base.py": (5, "of a method that code patches or delays, with a fixed ending"),
    "delay.py": (3, "what code calls on a delayable; the names of options"),
    "option_values.py": (3, "on the class: what it is, its signature; suggestions"),
    "job.py": (
        3,
        "of a sealed call; on_fail, which is_on_fail() has seen; a docstring",
    ),
    "found_job.py": (1, "what code says on the record of a job that a call found"),
    "rows.py": (2, "of the call: performed only when it is sealed"),
    "queue_job_related_action.py": (1, "is_related_action() has seen it"),
    "queue_job_display.py": (1, "on the class: only its signature is read"),
    "moments.py": (1, "of a cursor, from a list in the code"),
    "declared_names.py": (1, "on the class: this is where it is judged"),
}


class NamesCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        cls.partner = cls.env["res.partner"].create({"name": "Somebody"})
        cls.manager = new_test_user(
            cls.env, "t_manager", "queue_job.group_queue_job_manager"
        )
        cls.function = cls.env["queue.job.function"].create(
            {"model_id": cls.env.ref("base.model_res_partner").id, "method": "write"}
        )

    def job(self, su=True):
        delayed = self.partner.sudo(su).with_delay()
        job = delayed.write({"ref": "x"}).db_record()
        self.env.flush_all()
        return job


class TestRelatedActions(NamesCase):
    def test_no_orm_or_private_method_is_called_as_a_related_action(self):
        function = self.function.with_user(self.manager)
        for name in ATTACKS:
            with self.subTest(name):
                with self.assertRaises(ValidationError):
                    function.edit_related_action = str({"func_name": name})
                # by the other twin, which any data file writes
                function.related_action = {"func_name": name, "kwargs": FORGED}
                job = self.job().with_user(self.manager)
                with self.assertRaisesRegex(UserError, "No action available"):
                    job.open_related_action()
                self.assertIsNone(Job.load(self.env, job.uuid).related_action())
        found = self.env["queue.job"].search([("uuid", "=", "forged")])
        self.assertFalse(found)

    def test_it_runs_as_whoever_looks_without_the_jobs_rights(self):
        seen = []

        def related_action_spy(self):
            records, (argument,) = self.records, self.args
            for each in (self, records, argument):
                seen.append((each.env.uid, each.env.su))
            return {"type": "ir.actions.act_window"}

        jobs = type(self.env["queue.job"])
        jobs.related_action_spy = related_action_spy
        self.addCleanup(delattr, jobs, "related_action_spy")
        self.function.related_action = {"func_name": "related_action_spy"}
        job = self.partner.sudo().with_delay().write(self.partner.sudo()).db_record()
        self.env.flush_all()
        job.with_user(self.manager).open_related_action()
        job.with_user(self.manager).sudo().open_related_action()
        self.assertEqual(set(seen), {(self.manager.id, False)})
        self.assertEqual(len(seen), 6)
        # the job itself keeps whom it runs for
        self.assertTrue(Job.load(self.env, job.uuid).recordset.env.su)

    def test_who_may_not_read_the_job_learns_nothing(self):
        other = self.env["res.company"].create({"name": "Other"})
        job = self.job()
        job.sudo().with_context(_job_edit_sentinel=job.EDIT_SENTINEL).write(
            {"company_id": other.id}
        )
        portal = new_test_user(self.env, "t_portal", "base.group_portal")
        names = ("open_related_action", "related_action_open_record")
        for user, name, known in product((portal, self.manager), names, (False, True)):
            with self.subTest(f"{name} by {user.login}", known=known):
                self.env.invalidate_all()
                with self.assertRaises(AccessError):  # which forgets what is known
                    if known:
                        job.sudo().open_related_action()
                    getattr(job.with_user(user), name)()


class TestOnFail(NamesCase):
    def test_no_method_that_was_not_made_for_it_is_told_of_failures(self):
        job = self.job()
        values = {"exc_info": "i", "exc_name": "n", "exc_message": "m"}
        for name in ATTACKS:
            with self.subTest(name):
                self.function.on_fail_method = name
                with self.assertRaisesRegex(JobError, "code must declare it"):
                    Job.load(self.env, job.uuid).on_fail(values)
        self.assertTrue(self.partner.exists())

    def test_what_code_declares_is_known_by_decorator_name_or_parameters(self):
        class Model:
            def decorated(self, **_values):
                """Named by @job(on_fail="decorated")."""

            def _job_on_fail_export(self, **_values):
                """By its name."""

            def tell(self, exc_info, **_values):
                """By a parameter."""

            def other(self, **_values):
                """Not at all."""

        declared_names.declare_on_fail("decorated")
        self.addCleanup(declared_names._failures.discard, "decorated")
        expected = {
            "decorated": True,
            "_job_on_fail_export": True,
            "tell": True,
            "other": False,
            "gone": False,
        }
        found = {name: declared_names.is_on_fail(Model, name) for name in expected}
        self.assertEqual(found, expected)


class TestDeclaredByMistake(NamesCase):
    def test_what_all_models_have_is_not_to_be_declared(self):
        for name in ("write", "unlink", "_create", "with_user"):
            declared_names.declare_action(name)
            declared_names.declare_on_fail(name)
            self.addCleanup(declared_names._actions.discard, name)
            self.addCleanup(declared_names._failures.discard, name)
            for model in ("queue.job", "res.partner"):
                model_class = type(self.env[model])
                with self.subTest(f"{model}.{name}"):
                    self.assertFalse(
                        declared_names.is_related_action(model_class, name)
                    )
                    self.assertFalse(declared_names.is_on_fail(model_class, name))


class TestNames(NamesCase):
    def test_every_name_that_is_not_written_in_the_code_has_its_reason(self):
        found = {}
        for room in (".", "models", "executor", "controllers", "wizards", "fields"):
            for path in (ROOT / room).glob("*.py"):
                number = sum(map(of_methods, ast.walk(ast.parse(path.read_text()))))
                if number and path.name not in UNRELATED:
                    found[path.name] = number
        self.assertEqual(found, {name: one for name, (one, _why) in GETATTRS.items()})


#: the attributes of plain objects: figures, errors, sockets
UNRELATED = {
    "operations.py",
    "recording.py",
    "queue_job_stat.py",
    "connections.py",
    "recorder.py",
    "server_limits.py",
    "declaration.py",
    "queue_job_function_code.py",
    "queue_job_function_config.py",
    "last_resort.py",
}


def of_methods(node):
    """Is it a ``getattr`` whose name comes from elsewhere?"""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and not isinstance(node.args[1], ast.Constant)
    )
