import {browser} from "@web/core/browser/browser";
import {Dropdown} from "@web/core/dropdown/dropdown";
import {useDropdownState} from "@web/core/dropdown/dropdown_hooks";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {user} from "@web/core/user";
import {useService} from "@web/core/utils/hooks";
import {Component, onWillStart, onWillUnmount, useState} from "@odoo/owl";
import {jobsAction} from "../jobs_action";

const COUNT_EVERY = 60000;

/** The bars of the user's jobs. */
export class JobProgressMenu extends Component {
    static template = "queue_job.JobProgressMenu";
    static components = {Dropdown};
    static props = [];

    setup() {
        this.progress = useService("queue_job.progress");
        this.state = useState(this.progress.state);
        this.dropdown = useDropdownState();
    }

    percent(job) {
        return job.total
            ? Math.min(100, Math.round((100 * job.done) / job.total))
            : 100;
    }

    open(job) {
        this.dropdown.close();
        return this.progress.open(job.id);
    }
}

/** How many failed jobs wait for somebody who looks after them. */
export class FailedJobsMenu extends Component {
    static template = "queue_job.FailedJobsMenu";
    static props = [];

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({count: 0});
        let timer;
        onWillStart(async () => {
            if (await user.hasGroup("queue_job.group_queue_job_operator")) {
                this.count();
                timer = browser.setInterval(() => this.count(), COUNT_EVERY);
            }
        });
        onWillUnmount(() => browser.clearInterval(timer));
    }

    async count() {
        if (document.visibilityState === "visible") {
            try {
                this.state.count = await this.orm.silent.call(
                    "queue.job",
                    "failed_count"
                );
            } catch {
                // Counted again in a minute.
            }
        }
    }

    get title() {
        return _t("%s failed jobs", this.state.count);
    }

    open() {
        this.action.doAction(
            jobsAction(_t("Failed Jobs"), [["state", "=", "failed"]]),
            {
                clearBreadcrumbs: true,
            }
        );
    }
}

const systray = registry.category("systray");
systray.add("queue_job.progress", {Component: JobProgressMenu}, {sequence: 30});
systray.add("queue_job.failed", {Component: FailedJobsMenu}, {sequence: 31});
