# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# ruff: noqa: E501
"""Pictures of every screen, at the width of a desk and of a phone.

    screens.py URL FOLDER [NAME...]

Talks to a headless Chromium over its debugging protocol. Fails when a screen does
not come, or when the console of the browser has an error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "acceptance"))
from browser import Browser, log_in

WIDTHS = {"desk": (1280, 800, False), "phone": (375, 812, True)}
_LIST = ".o_list_renderer .o_data_row, .o_kanban_record:not(.o_kanban_ghost)"
_CHANGE = [
    "thead .o_list_record_selector input",
    ".o_control_panel button[name*=bulk]:last-of-type",
    ".modal [name=change_priority] input",
]

#: name: (path, what is there when it has come, what is clicked then)
SCREENS = {
    "dashboard": ("action-queue_job.action_queue_job_dashboard", ".o_queue_job_dashboard canvas", []),
    "jobs": ("queue-jobs", _LIST, []),
    "jobs_graph": ("queue-jobs", _LIST, [".o_switch_view.o_graph"]),
    "jobs_calendar": ("queue-jobs", _LIST, [".o_switch_view.o_calendar"]),
    "job_done": ("queue-jobs/{done}", ".o_form_view .o_queue_job_timeline", []),
    "job_failed": ("queue-jobs/{failed}", ".o_form_view .o_queue_job_timeline", []),
    "job_running": ("queue-jobs/{running}", ".o_form_view .o_queue_job_timeline", []),
    "job_try": ("queue-jobs/{failed}", ".o_form_view .o_queue_job_timeline", ["a[name=tries]", "[name=try_ids] .o_data_row td, [name=try_ids] .o_kanban_record"]),
    "job_graph": ("queue-jobs/{graph}", ".o_form_view .o_queue_job_timeline", ["a[name=dependencies]"]),
    "failures": ("action-queue_job.action_queue_job_failure_group", _LIST, []),
    "statistics": ("queue-statistics", ".o_graph_renderer canvas", []),
    "channels": ("queue-channels", ".o_kanban_record", []),
    "channel": ("queue-channels/{channel}", ".o_form_view .o_field_widget", []),
    "functions": ("queue-functions", _LIST, []),
    "function": ("queue-functions/{function}", ".o_form_view .o_field_widget", []),
    "runners": ("action-queue_job.action_queue_job_runner", ".o_list_view, .o_kanban_view", []),
    "subscriptions": ("action-queue_job.action_queue_job_subscription", ".o_list_view, .o_kanban_view", []),
    "bulk": ("queue-jobs", _LIST, _CHANGE),
    "progress": ("queue-channels", "button.o_queue_job_progress", ["button.o_queue_job_progress"]),
    "samples": ("action-queue_job.action_queue_job_demo", ".modal .o_form_view", []),
    "settings": ("action-queue_job.action_queue_job_settings", ".o_setting_container", []),
}  # fmt: skip


def ids(browser: Browser) -> dict[str, int]:
    """The records that have pictures of their own."""
    wanted = {
        "done": ("queue.job", [["state", "=", "done"], ["graph_uuid", "=", False]]),
        "failed": (
            "queue.job",
            [["state", "=", "failed"], ["graph_uuid", "=", False]],
        ),
        "running": ("queue.job", [["name", "=", "Import the catalogue"]]),
        "graph": ("queue.job", [["graph_uuid", "!=", False]]),
        "channel": ("queue.job.channel", [["name", "=", "demo"]]),
        "function": ("queue.job.function", [["method", "=", "_demo_succeed"]]),
    }
    found = {}
    for name, (model, domain) in wanted.items():
        params = {
            "model": model,
            "method": "search",
            "args": [domain],
            "kwargs": {"limit": 1},
        }
        found[name] = browser.run(
            "fetch('/web/dataset/call_kw', {method: 'POST',"
            "headers: {'Content-Type': 'application/json'}, body: "
            f"{json.dumps(json.dumps({'params': params}))}"
            "}).then((r) => r.json()).then((r) => r.result[0] || 0)"
        )
    return found


def take(browser: Browser, url: str, name: str, records, path: Path) -> bool:
    place, selector, clicks = SCREENS[name]
    browser.call("Page.navigate", url=f"{url}/odoo/{place.format(**records)}?debug=0")
    came = browser.wait(selector)
    for each in clicks:
        browser.wait(each, 5)
        browser.run(
            f"document.querySelector({json.dumps(each)})?.click();"
            f"document.querySelector({json.dumps(each)})?.scrollIntoView(); 1"
        )
    # Animations of the charts and of the notebook.
    browser.run("new Promise((done) => setTimeout(() => done(1), 1200))")
    for each in clicks[-1:]:
        browser.run(f"document.querySelector({json.dumps(each)})?.scrollIntoView(); 1")
    browser.picture(path)
    return came


def main(url: str, folder: Path, names: list[str]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    browser, wrong = Browser(), []
    try:
        browser.size(*WIDTHS["desk"])
        log_in(browser, url)
        records = ids(browser)
        for width, metrics in WIDTHS.items():
            browser.size(*metrics)
            for name in names or SCREENS:
                browser.errors.clear()
                path = folder / f"{name}_{width}.png"
                if not take(browser, url, name, records, path):
                    wrong.append(f"{path.name}: {SCREENS[name][1]} does not come")
                wrong += [f"{path.name}: {error}" for error in browser.errors]
                print(path)
    finally:
        browser.close()
    print("\n".join(wrong), file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
