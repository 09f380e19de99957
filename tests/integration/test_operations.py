# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people and monitors are told of the queue."""

import json
import re
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.tests.common import HttpCase, get_db_name, tagged
from odoo.tools import config as odoo_config

from odoo.addons.queue_job.console import reading, texts
from odoo.addons.queue_job.core import channel_config, histogram
from odoo.addons.queue_job.jobrunner import config as runner_config
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.overview import series
from odoo.addons.queue_job.storage import backlog

from ..documentation import ROOT
from ..unit.prometheus import parse
from .rollup_case import RollupCase

TOKEN = "a secret"


class OperationsCase(RollupCase):
    def setUp(self):
        super().setUp()
        self.stat = self.env["queue.job.stat"]
        self.cron = self.env.ref("queue_job.ir_cron_queue_job_run")
        self.cr.execute("DELETE FROM queue_job_runner")
        self.cr.execute(
            "UPDATE ir_cron SET active = true, nextcall = %s WHERE id = %s",
            (self.now + timedelta(minutes=1), self.cron.id),
        )
        self.configure()
        self.serve(True)

    def configure(self, **values):
        patched = patch.object(runner_config, "get", lambda: Config(**values))
        patched.start()
        self.addCleanup(patched.stop)

    def serve(self, server_wide):
        names = ["base", "web", *(["queue_job"] if server_wide else [])]
        patched = patch.dict(odoo_config.options, {"server_wide_modules": names})
        patched.start()
        self.addCleanup(patched.stop)

    def runner(self, number=1, seen=1, **values):
        found = {
            "number": number,
            "node": "node",
            "pid": number,
            "version": "1",
            "kind": "threaded",
            "passes": 7,
            "dispatched": 5,
            "rescued": 2,
            "started_at": self.ago(60),
            **values,
        }
        places = ", ".join(["%s"] * len(found))
        self.cr.execute(
            f"INSERT INTO queue_job_runner (seen_at, {', '.join(found)})"
            " VALUES ((clock_timestamp() AT TIME ZONE 'UTC')"
            f" - %s * interval '1 second', {places})",
            [seen, *found.values()],
        )

    def channel(self, name, **values):
        root = self.env.ref("queue_job.channel_root")
        values.setdefault("capacity", 1)
        return root.create({"name": name, "parent_id": root.id, **values})

    def waiting(self, seconds, channel="root", **values):
        return self.job(
            "pending",
            channel=channel,
            date_created=self.ago(seconds),
            date_started=None,
            **{"ready": True, "priority": 10, **values},
        )

    def status(self):
        self.env.flush_all()
        return reading.status(self.cr)

    def codes(self):
        return [each["code"] for each in self.stat._overview()["problems"]]


class TestConfigurationOfServers(OperationsCase):
    def told(self, **values):
        usual = {
            "channels": "root:3,root.export:1",
            "channels_error": None,
            "lease_seconds": 1.0,
            "poll_seconds": 5.0,
            "address": "http://odoo:8069",
            "workers": 4,
        }
        return json.dumps({**usual, **values})

    def test_the_status_tells_what_the_servers_use_and_not_what_the_shell_has(self):
        self.configure(channels=tuple(channel_config.parse("root:9")))
        self.runner(configuration=self.told())
        found = self.status()
        by_name = {each["name"]: each for each in found["channels"]}
        self.assertEqual(by_name["root"]["capacity"], 3)
        self.assertEqual(by_name["root.export"]["capacity"], 1)
        self.assertTrue(found["ok"])
        text = texts.status(found)
        for part in ("http://odoo:8069", "workers 4", "lease 1 s", "root.export:1"):
            self.assertIn(part, text)

    def test_a_typo_of_a_server_is_a_problem_for_status_health_and_dashboard(self):
        self.runner(configuration=self.told(channels_error="piece 2 is wrong"))
        found = self.status()
        self.assertFalse(found["ok"])
        self.assertIn("the last that could be read", texts.status(found))
        well, reasons = self.stat._health()
        self.assertFalse(well)
        self.assertIn("piece 2 is wrong", "".join(reasons))
        self.assertIn("piece 2 is wrong", self.stat._overview()["warning"])

    def test_a_typo_of_this_very_server_is_told_without_any_runner(self):
        self.configure(channels_error="piece 1 is wrong")
        codes = [each["code"] for each in self.stat._overview()["problems"]]
        self.assertIn("bad_channels", codes)


class TestOverview(OperationsCase):
    def channel_of(self, name):
        channels = self.stat._overview()["channels"]
        return next(each for each in channels if each["name"] == name)

    def test_a_channel_is_told_with_its_jobs_and_its_settings(self):
        self.channel("one", capacity=3, throttle=0.5)
        for state in ("enqueued", "started", "failed", "failed"):
            self.job(state, channel="root.one")
        self.waiting(100, "root.one")
        self.waiting(200, "root.one", priority=20)
        self.waiting(300, "root.one", ready=False, eta=self.now)
        found = self.channel_of("root.one")
        self.assertEqual(
            (found["enqueued"], found["started"], found["running"]), (1, 1, 2)
        )
        self.assertEqual((found["pending"], found["scheduled"]), (2, 1))
        self.assertEqual(found["failed"], 2)
        self.assertEqual((found["capacity"], found["throttle"]), (3, 0.5))
        self.assertFalse(found["paused"] or found["sequential"] or found["configured"])
        self.assertTrue(200 <= found["oldest"] < 210, found["oldest"])

    def test_a_channel_is_told_with_the_jobs_below_it(self):
        self.channel("one")
        self.channel("two")
        self.waiting(50, "root.one")
        self.waiting(90, "root.two")
        self.waiting(10)
        root = self.channel_of("root")
        self.assertEqual((root["pending"], root["own"]["pending"]), (3, 1))
        self.assertTrue(90 <= root["oldest"] < 95)
        self.assertTrue(10 <= root["own"]["oldest"] < 15)

    def test_the_configuration_wins_over_the_record(self):
        self.channel("one", capacity=3)
        self.configure(channels=tuple(channel_config.parse("root.one:2:paused")))
        found = self.channel_of("root.one")
        self.assertEqual((found["capacity"], found["paused"]), (2, True))
        self.assertTrue(found["configured"])

    def test_jobs_of_a_channel_that_has_gone_are_told_too(self):
        self.waiting(10, "root.gone")
        found = self.channel_of("root.gone")
        self.assertEqual(found["pending"], 1)
        self.assertIsNone(found["capacity"])
        self.assertEqual(self.channel_of("root")["pending"], 1)

    def test_a_job_that_waited_for_its_date_waits_since_then(self):
        self.waiting(1000, eta=self.ago(30))
        self.assertTrue(30 <= self.channel_of("root")["oldest"] < 35)

    def test_a_job_that_depended_on_others_waits_since_they_were_done(self):
        parents = [self.job(ended=50), self.job(ended=20)]
        self.cr.execute(
            "INSERT INTO queue_job_barrier (remaining) VALUES (0) RETURNING id"
        )
        barrier = self.cr.fetchone()[0]
        for parent in parents:
            self.cr.execute(
                "INSERT INTO queue_job_edge (barrier_id, parent_id, met)"
                " VALUES (%s, %s, true)",
                (barrier, parent),
            )
        self.waiting(1000, barrier_id=barrier)
        self.assertTrue(20 <= self.channel_of("root")["oldest"] < 25)

    def test_since_when_a_requeued_job_waits_is_not_known(self):
        self.waiting(1000, identity_twin=True)
        self.assertIsNone(self.channel_of("root")["oldest"])

    def test_a_job_that_is_to_be_tried_again_waits_since_the_time_for_that(self):
        self.waiting(1000, identity_twin=True, exc_name="E", eta=self.ago(30))
        self.assertTrue(30 <= self.channel_of("root")["oldest"] < 35)

    def test_jobs_that_are_not_written_yet_count(self):
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.env["res.partner"].with_delay().search([])
        self.assertEqual(self.channel_of("root")["pending"], 1)

    def many(self, state, number, **values):
        self.cr.execute(
            "INSERT INTO queue_job (uuid, state, channel, priority, ready)"
            " SELECT gen_random_uuid(), %s, 'root', 10, %s"
            " FROM generate_series(1, %s)",
            (state, values.get("ready", True), number),
        )

    def test_a_part_is_counted_when_there_is_no_time_for_all(self):
        self.channel("one")
        self.waiting(10, "root.one")
        self.many("pending", 150)
        self.many("pending", 20, ready=False)
        self.many("failed", 30)
        self.patch(backlog, "MOST", 1)
        self.patch(backlog, "_COUNT", "SELECT pg_sleep(60)")
        self.patch(backlog, "PATIENCE", 20)
        self.patch(backlog, "_in_parts_until", {})
        root, one = self.channel_of("root"), self.channel_of("root.one")
        counts = [root["own"][name] for name in ("pending", "scheduled", "failed")]
        self.assertEqual(counts, [100, 20, 30])
        self.assertEqual(root["pending"], 101)
        self.assertIs(root["capped"], True)
        self.assertEqual((one["pending"], one["capped"]), (1, False))
        self.assertIn(" 101+ ", texts.status(self.status()))
        # not tried again at once
        self.patch(backlog, "_COUNT", "this is no SQL")
        self.assertEqual(self.channel_of("root")["pending"], 101)

    def test_all_are_counted_when_there_is_time(self):
        self.many("pending", 150)
        self.patch(backlog, "MOST", 1)
        self.patch(backlog, "_in_parts_until", {})
        root = self.channel_of("root")
        self.assertEqual((root["pending"], root["capped"]), (150, False))

    def test_the_planner_is_left_as_it_was(self):
        self.stat._overview()
        for name, usual in (("enable_seqscan", "on"), ("statement_timeout", "0")):
            self.cr.execute(f"SHOW {name}")
            self.assertEqual(self.cr.fetchone()[0], usual)


class TestProblems(OperationsCase):
    def check(self, executed_by, *codes):
        overview = self.stat._overview()
        self.assertEqual(overview["executed_by"], executed_by)
        self.assertEqual([each["code"] for each in overview["problems"]], list(codes))
        self.assertEqual(bool(overview["warning"]), bool(codes))
        return overview

    def test_a_living_runner_executes_the_jobs(self):
        self.runner()
        overview = self.check("runner")
        self.assertEqual(overview["runners"][0]["node"], "node")
        self.assertEqual(self.stat._health(), (True, []))

    def test_a_runner_that_was_not_seen_for_long_is_dead(self):
        self.runner(seen=16)
        self.check("cron", "runner_missing")
        self.assertEqual(self.stat._health(), (True, []))

    def test_where_no_server_has_a_runner_the_scheduled_action_executes_jobs(self):
        self.serve(False)
        overview = self.check("cron", "cron_only")
        self.assertIn("server_wide_modules", overview["warning"])

    def test_nobody_executes_jobs_when_the_scheduled_action_is_off(self):
        self.cron.active = False
        self.check("nobody", "no_runner")
        self.serve(False)
        self.check("nobody", "no_cron")
        well, reasons = self.stat._health()
        self.assertFalse(well)
        self.assertIn("Job Queue: run jobs", reasons[0])

    def test_nobody_executes_jobs_when_the_scheduled_action_is_gone(self):
        self.cron.unlink()
        self.serve(False)
        self.check("nobody", "no_cron")

    def test_nobody_executes_jobs_when_the_scheduled_action_is_not_called(self):
        self.serve(False)
        self.cron.nextcall = self.ago(360)
        self.check("nobody", "cron_overdue")
        # it is not called while a job that it executes lasts
        self.job("started")
        self.check("cron", "cron_only")

    def test_nothing_runs_when_the_root_channel_is_paused(self):
        self.runner()
        self.env.ref("queue_job.channel_root").paused = True
        self.check("nobody", "root_off")

    def test_nothing_runs_when_the_configuration_switches_the_root_off(self):
        self.runner()
        self.configure(channels=tuple(channel_config.parse("root:0")))
        self.check("nobody", "root_off")

    def test_nothing_is_started_while_modules_are_installed(self):
        self.runner()
        self.cr.execute(
            "UPDATE ir_module_module SET state = 'to upgrade' WHERE name = 'queue_job'"
        )
        self.waiting(100)
        self.check("runner", "busy")

    def test_runners_of_different_versions_are_told(self):
        self.runner(1)
        self.runner(2, version="2")
        self.check("runner", "versions")

    def test_jobs_that_wait_where_there_is_room_are_told(self):
        self.runner()
        self.channel("one")
        self.waiting(61, "root.one")
        overview = self.check("runner", "stalled")
        self.assertIn("root.one", overview["warning"])
        self.assertFalse(self.stat._health()[0])

    def test_they_are_not_told_when_a_job_has_just_ended(self):
        self.runner()
        self.waiting(61)
        self.job(ended=10)
        self.check("runner")

    def test_they_are_told_when_nothing_has_ended_for_long(self):
        self.runner()
        self.waiting(100)
        self.job(ended=70)
        self.check("runner", "stalled")

    def test_a_try_that_failed_shows_that_requests_get_through(self):
        self.runner()
        self.waiting(100)
        self.tried(self.job("failed", channel="root.else"), "failed", ended=20)
        self.check("runner")

    def test_a_job_that_waits_longer_than_allowed_is_told(self):
        self.runner()
        self.waiting(100)
        self.job("started")
        self.check("runner")
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("queue_job.health_max_wait", "90")
        overview = self.check("runner", "late")
        self.assertIn("root", overview["warning"])
        parameters.set_param("queue_job.health_max_wait", "120")
        self.check("runner")
        parameters.set_param("queue_job.health_max_wait", "soon")
        self.check("runner")


class TestSeries(OperationsCase):
    def setUp(self):
        super().setUp()
        self.set_clock(self.now)

    def set_clock(self, now):
        patched = patch.object(series.clock, "now", lambda _cr: now)
        patched.start()
        self.addCleanup(patched.stop)

    def test_each_period_has_its_buckets_up_to_now(self):
        for period, number, step in (
            ("hour", 60, 60),
            ("day", 96, 900),
            ("week", 168, 3600),
        ):
            series = self.stat._series(period)
            begins = [datetime.fromisoformat(b["at"]) for b in series["buckets"]]
            self.assertEqual((len(begins), series["step"]), (number, step))
            steps = {later - former for former, later in zip(begins, begins[1:])}
            self.assertEqual(steps, {timedelta(seconds=step)})
            age = self.now - begins[-1]
            self.assertTrue(timedelta(0) <= age < timedelta(seconds=step))

    def test_another_period_is_refused(self):
        with self.assertRaises(KeyError):
            self.stat._series("year")

    def test_what_ended_stands_in_the_bucket_of_its_time(self):
        self.job(ended=130, ran=2, waited=1)
        self.job(ended=130, ran=2, waited=1)
        self.tried(self.job("failed"), "failed", ended=130)
        self.add_up()
        minute = self.ago(130).replace(second=0, microsecond=0).isoformat()
        series = self.stat._series("hour")
        bucket = next(each for each in series["buckets"] if each["at"] == minute)
        self.assertEqual((bucket["done"], bucket["failed"]), (2, 1))
        self.assertAlmostEqual(bucket["throughput"], 2)
        self.assertAlmostEqual(bucket["wait"]["mean"], 1, 3)
        self.assertTrue(1.024 <= bucket["run"]["p50"] <= 2.048)
        self.assertEqual(set(bucket["run"]), {"mean", "p50", "p95", "p99"})
        total = series["total"]
        self.assertEqual((total["done"], total["failed"]), (2, 1))
        self.assertEqual(
            total["wait"]["p99"], histogram.quantile(histogram.of([1]), 0.99)
        )
        for period in ("day", "week"):
            series = self.stat._series(period)
            self.assertEqual(sum(each["done"] for each in series["buckets"]), 2)

    def test_nothing_is_known_of_an_empty_bucket(self):
        total = self.stat._series("hour")["total"]
        self.assertEqual((total["done"], total["throughput"]), (0, 0))
        self.assertEqual(set(total["wait"].values()), {None})

    def test_the_bucket_of_now_is_measured_by_the_time_that_has_gone(self):
        for _index in range(60):
            self.job(ended=60)
        self.add_up()
        self.cr.execute("UPDATE queue_job_stat SET at = '2000-01-01 12:00:00'")
        self.set_clock(datetime(2000, 1, 1, 12, 20))
        self.assertAlmostEqual(
            self.stat._series("week")["buckets"][-1]["throughput"], 3
        )
        self.set_clock(datetime(2000, 1, 1, 12, 0))
        self.assertEqual(self.stat._series("week")["buckets"][-1]["throughput"], 3600)

    def test_a_channel_is_told_with_those_below_it_alone(self):
        for name in ("root.a", "root.a.b", "root.ab", "root"):
            self.job(channel=name)
        self.add_up()
        self.assertEqual(self.stat._series("hour", "root.a")["total"]["done"], 2)
        self.assertEqual(self.stat._series("hour", "root")["total"]["done"], 4)
        self.assertEqual(self.stat._series("hour")["total"]["done"], 4)


@tagged("-at_install", "post_install")
class TestRoutes(HttpCase, OperationsCase):
    def setUp(self):
        super().setUp()
        self.parameters = self.env["ir.config_parameter"]
        self.parameters.set_param("queue_job.metrics_token", TOKEN)

    def get(self, path, token=TOKEN, headers=()):
        headers = {"X-Odoo-Database": get_db_name(), **dict(headers)}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.url_open(path, headers=headers)

    def test_without_a_token_in_the_settings_there_is_no_such_page(self):
        self.parameters.set_param("queue_job.metrics_token", False)
        for path in ("/queue_job/health", "/queue_job/metrics"):
            self.assertEqual(self.get(path).status_code, 404)
            self.assertEqual(self.get(path, token="").status_code, 404)

    def test_another_token_is_refused(self):
        for path in ("/queue_job/health", "/queue_job/metrics"):
            for token in ("", "a secre", "a secret more", "\u00e9"):
                response = self.get(path, token.encode().decode("latin-1"))
                self.assertEqual(response.status_code, 401)
                self.assertEqual(response.headers["WWW-Authenticate"], "Bearer")
                self.assertEqual(response.text, "")

    def test_the_token_may_stand_in_the_address(self):
        path = "/queue_job/health?token=" + TOKEN.replace(" ", "%20")
        self.assertNotIn(self.get(path, token="").status_code, (401, 404))
        path = "/queue_job/health?token=other"
        self.assertEqual(self.get(path, token="").status_code, 401)

    def test_the_token_of_the_configuration_wins(self):
        self.configure(metrics_token="another")
        self.assertEqual(self.get("/queue_job/metrics").status_code, 401)
        self.assertEqual(self.get("/queue_job/metrics", "another").status_code, 200)

    def test_no_session_is_made(self):
        response = self.get("/queue_job/metrics")
        self.assertNotIn("session_id", response.headers.get("Set-Cookie", ""))

    def test_a_healthy_queue_is_told_so(self):
        self.runner()
        response = self.get("/queue_job/health")
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.headers["Content-Type"][:16], "application/json")
        self.assertEqual(json.loads(response.text), {"status": "ok", "reasons": []})

    def test_a_queue_that_nobody_works_off_is_told_so(self):
        self.cron.active = False
        response = self.get("/queue_job/health")
        self.assertEqual(response.status_code, 503)
        content = json.loads(response.text)
        self.assertEqual(content["status"], "degraded")
        self.assertIn("Nobody executes jobs", content["reasons"][0])

    def metrics(self):
        response = self.get("/queue_job/metrics")
        self.assertEqual(response.status_code, 200)
        self.assertEqual(
            response.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8"
        )
        return parse(response.text)

    def value(self, metrics, sample, **labels):
        name = sample
        for suffix in ("_bucket", "_sum", "_count"):
            name = name.removesuffix(suffix)
        return metrics[name][2][sample, tuple(sorted(labels.items()))]

    def test_the_figures_of_channels_are_told(self):
        self.runner()
        self.channel("one", capacity=3)
        self.channel("two", capacity=0, paused=True)
        for state in ("started", "enqueued", "failed"):
            self.job(state, channel="root.one")
        self.waiting(100, "root.one")
        metrics = self.metrics()
        one = {"channel": "root.one"}
        for name, value in (
            ("channel_capacity", 3),
            ("channel_paused", 0),
            ("running", 2),
            ("started", 1),
            ("pending", 1),
            ("scheduled", 0),
            ("failed", 1),
        ):
            self.assertEqual(self.value(metrics, f"queue_job_{name}", **one), value)
        age = self.value(metrics, "queue_job_oldest_waiting_seconds", **one)
        self.assertTrue(100 <= age < 110)
        self.assertEqual(self.value(metrics, "queue_job_pending", channel="root"), 0)
        two = {"channel": "root.two"}
        self.assertEqual(self.value(metrics, "queue_job_channel_paused", **two), 1)
        with self.assertRaises(KeyError):
            self.value(metrics, "queue_job_channel_capacity", **two)

    def test_the_figures_of_what_ended_are_told(self):
        self.job(ran=0.5, waited=3)
        self.tried(self.job("pending"), "retry", ran=0.25)
        self.add_up()
        metrics = self.metrics()
        kinds = {name: metric[0] for name, metric in metrics.items()}
        self.assertEqual(kinds["queue_job_ended_total"], "counter")
        self.assertEqual(kinds["queue_job_run_seconds"], "histogram")
        root = {"channel": "root"}
        for outcome, value in (("done", 1), ("retry", 1), ("failed", 0)):
            ended = self.value(
                metrics, "queue_job_ended_total", outcome=outcome, **root
            )
            self.assertEqual(ended, value)
        name = "queue_job_run_seconds"
        self.assertEqual(self.value(metrics, f"{name}_count", **root), 2)
        self.assertAlmostEqual(self.value(metrics, f"{name}_sum", **root), 0.75, 3)
        self.assertEqual(self.value(metrics, f"{name}_bucket", le="0.256", **root), 1)
        self.assertEqual(self.value(metrics, f"{name}_bucket", le="0.512", **root), 2)
        self.assertEqual(self.value(metrics, "queue_job_wait_seconds_count", **root), 1)

    def test_the_figures_of_runners_are_told(self):
        self.runner(1, pid=4, started_at=self.ago(60))
        # restarted in its container a moment ago
        self.runner(2, pid=4, started_at=self.ago(3), passes=1)
        metrics = self.metrics()
        self.assertEqual(self.value(metrics, "queue_job_runners"), 2)
        label = {"node": "node", "pid": "4"}
        for name, value in (("passes", 1), ("dispatched", 5), ("rescued", 2)):
            sample = f"queue_job_runner_{name}_total"
            self.assertEqual(self.value(metrics, sample, **label), value)

    def test_what_is_wrong_is_told_by_its_code(self):
        self.cron.active = False
        metrics = self.metrics()
        self.assertEqual(self.value(metrics, "queue_job_healthy"), 0)
        problem = "queue_job_problem"
        self.assertEqual(self.value(metrics, problem, code="no_runner"), 1)
        self.assertEqual(self.value(metrics, problem, code="stalled"), 0)

    def test_the_operator_guide_names_each_metric_and_no_other(self):
        guide = ROOT / "doc" / "operator_guide.rst"
        if not guide.exists():
            return  # an installed package has no guides
        text = guide.read_text(encoding="utf-8")
        self.job(ran=1, waited=1)
        self.add_up()
        named = set(re.findall(r"``(queue_job_\w+)", text))
        self.job(ran=0.5, waited=3)
        self.add_up()
        self.runner(1)
        self.assertEqual(named, set(self.metrics()))
