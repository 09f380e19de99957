# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Figures as Prometheus reads them."""

import unittest

from odoo.addons.queue_job.core import exposition, histogram
from odoo.addons.queue_job.core.exposition import Metric

from .prometheus import parse


class TestExposition(unittest.TestCase):
    def test_a_metric_has_its_help_its_type_and_its_samples(self):
        metric = Metric("jobs", exposition.GAUGE, "Jobs that wait")
        metric.add(3, channel="root", state="pending")
        metric.add(0.25, channel="root.a", state="pending")
        self.assertEqual(
            exposition.render([metric]),
            "# HELP jobs Jobs that wait\n"
            "# TYPE jobs gauge\n"
            'jobs{channel="root",state="pending"} 3\n'
            'jobs{channel="root.a",state="pending"} 0.25\n',
        )

    def test_a_sample_may_have_no_labels(self):
        metric = Metric("up", exposition.GAUGE, "Up")
        metric.add(1)
        self.assertTrue(exposition.render([metric]).endswith("\nup 1\n"))

    def test_what_is_not_known_is_left_out(self):
        metric = Metric("age", exposition.GAUGE, "Age")
        metric.add(None)
        self.assertEqual(exposition.render([metric]), "")

    def test_special_signs_are_escaped(self):
        metric = Metric("jobs", exposition.GAUGE, 'A "help"\nwith \\')
        metric.add(1, channel='a"b\\c\nd')
        text = exposition.render([metric])
        self.assertIn('# HELP jobs A "help"\\nwith \\\\\n', text)
        self.assertIn('channel="a\\"b\\\\c\\nd"', text)
        _kind, help_, samples = parse(text)["jobs"]
        self.assertEqual(help_, 'A "help"\nwith \\')
        self.assertEqual(samples, {("jobs", (("channel", 'a"b\\c\nd'),)): 1})

    def test_a_histogram_is_cumulative_and_ends_with_all(self):
        metric = Metric("run_seconds", exposition.HISTOGRAM, "Run")
        counts = histogram.of([0.0005, 0.0015, 10**9])
        metric.add_histogram(counts, 12.5, channel="root")
        text = exposition.render([metric])
        self.assertIn('run_seconds_bucket{channel="root",le="0.001"} 1\n', text)
        self.assertIn('run_seconds_bucket{channel="root",le="1.024"} 2\n', text)
        self.assertIn('run_seconds_bucket{channel="root",le="+Inf"} 3\n', text)
        self.assertIn('run_seconds_sum{channel="root"} 12.5\n', text)
        self.assertIn('run_seconds_count{channel="root"} 3\n', text)
        kind, _help, samples = parse(text)["run_seconds"]
        self.assertEqual(kind, "histogram")
        self.assertEqual(len(samples), histogram.SIZE + 2)

    def test_large_counts_are_written_out(self):
        metric = Metric("jobs_total", exposition.COUNTER, "Jobs")
        metric.add(float(10**17))
        self.assertIn("jobs_total 100000000000000000\n", exposition.render([metric]))


class TestTheParser(unittest.TestCase):
    """The parser itself, on text that is not as it should be."""

    def test_it_refuses_what_the_format_does_not_allow(self):
        head = "# HELP a A\n# TYPE a gauge\n"
        for text in (
            head + "a 1",
            head + "b 1\n",
            head + "a one\n",
            head + "a{x=1} 1\n",
            head + "a 1\na 1\n",
            head + 'a{x="1",x="2"} 1\n',
            head + head,
            "a 1\n",
            "# HELP a A\n# TYPE a counter\na 1\n",
            '# HELP a A\n# TYPE a histogram\na_bucket{le="1"} 1\na_count 1\na_sum 1\n',
            '# HELP a A\n# TYPE a histogram\na_bucket{le="1"} 2\n'
            'a_bucket{le="+Inf"} 1\na_count 1\na_sum 1\n',
        ):
            with self.subTest(text=text), self.assertRaises((ValueError, KeyError)):
                parse(text)
