# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""The server's configuration of the queue."""

import tempfile
import types
import unittest
from pathlib import Path
from unittest.mock import patch

from odoo.tools import config as odoo_config

from odoo.addons.queue_job.core.channel_config import ChannelSpec
from odoo.addons.queue_job.jobrunner import config as configuration


class ConfigCase(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.options = {"http_interface": "0.0.0.0", "http_port": 8069}
        self.environ = self.enterContext(patch.dict("os.environ", clear=True))
        self.enterContext(patch.object(configuration, "odoo_config", self.options))
        self.write("")
        configuration.get.cache_clear()
        self.addCleanup(configuration.get.cache_clear)

    def write(self, text):
        path = self.folder / "odoo.conf"
        path.write_text(text, encoding="utf-8")
        self.options["config"] = str(path)

    def section(self, *lines):
        self.write("\n".join(["[options]", "workers = 2", "[queue_job]", *lines]))

    def environment(self, **values):
        for key, value in values.items():
            self.environ[f"ODOO_QUEUE_JOB_{key.upper()}"] = value


class TestMistakeInChannels(ConfigCase):
    def test_why_the_channels_cannot_be_read_is_known(self):
        self.section("channels = root:4,root.a:many")
        config = configuration.load(report=lambda error: None)
        self.assertEqual(config.channels, ())
        self.assertIn("'root.a:many'", config.channels_error)

    def test_channels_that_can_be_read_are_known_as_they_are_written(self):
        self.section("channels = root:4,root.a:2:paused=0")
        config = configuration.load()
        self.assertEqual(config.channels_text, "root:4,root.a:2:paused=0")
        self.assertIsNone(config.channels_error)


class TestSources(ConfigCase):
    def test_nothing_written_means_the_usual_values(self):
        config = configuration.load()
        self.assertEqual(config, configuration.Config())
        self.assertEqual(
            (config.scheme, config.host, config.port), ("http", "localhost", 8069)
        )
        self.assertEqual((config.lease_seconds, config.poll_seconds), (1.0, 5.0))
        self.assertIsNone(config.max_deaths)

    def test_the_section_of_the_file_is_read(self):
        self.section(
            "channels = root:4,root.a:2",
            "scheme = https",
            "host = odoo.example.com",
            "port = 443",
            "http_auth_user = me",
            "http_auth_password = secret",
            "jobrunner_db_host = db",
            "jobrunner_db_port = 5433",
            "jobrunner_db_user = runner",
            "jobrunner_db_password = pw",
            "delay_policy = any",
            "lease_seconds = 0.5",
            "poll_seconds = 2",
            "max_requests = 12",
            "max_deaths = 7",
        )
        self.assertEqual(
            configuration.load(),
            configuration.Config(
                channels=(ChannelSpec("root", 4), ChannelSpec("root.a", 2)),
                scheme="https",
                host="odoo.example.com",
                port=443,
                http_auth_user="me",
                http_auth_password="secret",
                jobrunner_db_host="db",
                jobrunner_db_port=5433,
                jobrunner_db_user="runner",
                jobrunner_db_password="pw",
                delay_policy="any",
                lease_seconds=0.5,
                poll_seconds=2.0,
                max_requests=12,
                max_deaths=7,
            ),
        )

    def test_channels_may_stand_on_lines_of_their_own(self):
        self.section("channels =", "    root:4", "    root.a:1:sequential")
        specs = configuration.load().channels
        self.assertEqual([spec.name for spec in specs], ["root", "root.a"])

    def test_the_environment_wins_over_the_file(self):
        self.section("channels = root:4", "port = 8000", "host = filehost")
        self.environment(channels="root:9", port="9000")
        config = configuration.load()
        self.assertEqual(config.channels, (ChannelSpec("root", 9),))
        self.assertEqual((config.port, config.host), (9000, "filehost"))

    def test_every_key_has_a_variable_of_the_environment(self):
        self.environment(
            scheme="https",
            host="h",
            http_auth_user="u",
            http_auth_password="p",
            jobrunner_db_host="d",
            jobrunner_db_port="1",
            jobrunner_db_user="du",
            jobrunner_db_password="dp",
        )
        config = configuration.load()
        self.assertEqual((config.scheme, config.host), ("https", "h"))
        self.assertEqual((config.http_auth_user, config.http_auth_password), ("u", "p"))
        self.assertEqual((config.jobrunner_db_host, config.jobrunner_db_port), ("d", 1))
        self.assertEqual(config.jobrunner_db_user, "du")
        self.assertEqual(config.jobrunner_db_password, "dp")

    def test_server_environment_stands_between_environment_and_file(self):
        self.section("host = filehost", "port = 1", "scheme = https")
        self.environment(port="3")
        parser = configuration.configparser.RawConfigParser()
        parser.read_dict({"queue_job": {"host": "envhost", "port": "2"}})
        module = types.SimpleNamespace(serv_config=parser)
        with patch.object(
            configuration.importlib, "import_module", return_value=module
        ):
            config = configuration.load()
        self.assertEqual(
            (config.host, config.port, config.scheme), ("envhost", 3, "https")
        )

    def test_an_empty_variable_is_no_value(self):
        self.section("channels = root:4")
        self.environment(channels="", port=" ")
        config = configuration.load()
        self.assertEqual(config.channels, (ChannelSpec("root", 4),))
        self.assertEqual(config.port, 8069)

    def test_the_host_is_what_the_server_listens_on(self):
        self.options.update(http_interface="127.0.0.2", http_port=8070)
        config = configuration.load()
        self.assertEqual((config.host, config.port), ("127.0.0.2", 8070))
        for anything in ("", "::", "0.0.0.0", None):
            self.options["http_interface"] = anything
            self.assertEqual(configuration.load().host, "localhost")

    def test_no_file_is_no_section(self):
        self.options["config"] = str(self.folder / "missing.conf")
        self.assertEqual(configuration.load(), configuration.Config())
        self.options["config"] = None
        self.assertEqual(configuration.load(), configuration.Config())

    def test_a_file_that_is_none_is_an_error_in_the_log(self):
        self.write("not a file of configuration")
        with self.assertLogs(configuration.__name__, "ERROR"):
            self.assertEqual(configuration.load(), configuration.Config())

    def test_the_file_is_the_one_that_odoo_reads(self):
        self.assertIn("config", odoo_config.options)


class TestBadValues(ConfigCase):
    BAD = {
        "channels": ("root:x", "whole number"),
        "scheme": ("ftp", "http and https"),
        "host": ("http://host/", "alone"),
        "port": ("0", "from 1 to 65535"),
        "jobrunner_db_port": ("5433x", "from 1 to 65535"),
        "delay_policy": ("some", "declared and any"),
        "lease_seconds": ("-1", "number of seconds"),
        "poll_seconds": ("0", "number of seconds"),
        "max_requests": ("0", "whole number"),
        "max_deaths": ("-1", "whole number"),
    }

    def test_a_bad_value_is_told_with_its_option_and_what_is_accepted(self):
        for key, (value, accepted) in self.BAD.items():
            with self.subTest(key=key):
                self.section(f"{key} = {value}")
                with self.assertRaises(ValueError) as caught:
                    configuration.load()
                for part in (repr(key), repr(value), accepted):
                    self.assertIn(part, str(caught.exception))

    def test_a_bad_value_is_left_out_and_the_rest_stays(self):
        self.section("channels = root:x", "port = 8070")
        errors = []
        config = configuration.load(errors.append)
        self.assertEqual(len(errors), 1)
        self.assertEqual((config.channels, config.port), ((), 8070))

    def test_the_process_lives_on_with_a_bad_value_and_says_so_once(self):
        self.section("channels = root:x")
        with self.assertLogs(configuration.__name__, "ERROR") as logs:
            self.assertEqual(configuration.get(), configuration.Config())
            configuration.get()
        self.assertEqual(len(logs.output), 1)

    def test_nan_and_infinity_are_no_seconds(self):
        for value in ("nan", "inf", "-inf"):
            self.section(f"poll_seconds = {value}")
            with self.assertRaises(ValueError):
                configuration.load()

    def test_signs_that_look_like_digits_are_none(self):
        for value in ("٣", "²", "99999999999"):
            self.section(f"port = {value}")
            with self.assertRaises(ValueError):
                configuration.load()
