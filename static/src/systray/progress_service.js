import {browser} from "@web/core/browser/browser";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {reactive} from "@odoo/owl";

const ASK_EVERY = 2000;

/**
 * The user's own jobs that tell how far they are. A job says so itself over the bus;
 * from then on, until it has ended, the server is asked now and then.
 */
export const queueJobProgress = {
    dependencies: ["orm", "bus_service", "action", "notification"],
    start(env, {orm, bus_service: bus, action, notification}) {
        const state = reactive({jobs: []});
        let timer = null;
        let asking = false;

        async function ask() {
            browser.clearTimeout(timer);
            timer = null;
            if (asking) {
                return;
            }
            asking = true;
            const shown = state.jobs.map((job) => job.id);
            try {
                const jobs = await orm.silent.call("queue.job", "asked_jobs", [shown]);
                state.jobs = jobs.filter((job) => !job.over);
                jobs.filter((job) => job.over).forEach(tell);
            } catch {
                // Asked again as long as something is shown.
            }
            asking = false;
            plan();
        }

        function plan() {
            if (state.jobs.length && timer === null) {
                timer = browser.setTimeout(ask, ASK_EVERY);
            }
        }

        async function open(id) {
            const found = await orm.call("queue.job", "open_asked_job", [id]);
            if (found) {
                await action.doAction(found);
            }
        }

        function tell(job) {
            const ends = {
                done: ["success", _t("%s: done", job.name), job.result],
                failed: ["danger", _t("%s: failed", job.name), job.error],
                cancelled: ["warning", _t("%s: cancelled", job.name), job.result],
            };
            const [type, title, message] = ends[job.state];
            const close = notification.add(message || "", {
                title,
                type,
                sticky: true,
                className: "o_queue_job_ended",
                buttons: [
                    {
                        name: _t("Open"),
                        primary: true,
                        onClick: () => {
                            close();
                            open(job.id);
                        },
                    },
                ],
            });
        }

        bus.subscribe("queue_job.progress", ({id, done, total, message}) => {
            const job = state.jobs.find((each) => each.id === id);
            if (job) {
                Object.assign(job, {done, total, message: message || job.message});
            } else {
                ask();
            }
        });
        // The bus is started by whoever needs it; a page that is loaded asks once.
        browser.setTimeout(ask, 0);
        return {state, open};
    },
};

registry.category("services").add("queue_job.progress", queueJobProgress);
