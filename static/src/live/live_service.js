import {browser} from "@web/core/browser/browser";
import {registry} from "@web/core/registry";
import {Mutex} from "@web/core/utils/concurrency";

const CHANNEL = "queue_job.live";
/** Milliseconds between two looks of the tab that looks for all of them. */
export const LOOK_EVERY = 1000;
/** The same for the others, which the bus tells: in case that it does not. */
const ASK_EVERY = 5000;
const AFTER_ERROR = 10000;

/**
 * Tells open views that jobs have changed. One tab of all that are open looks once a
 * second and has the bus tell the others; without a connection to the bus each tab
 * looks for itself. Nothing is asked or sent while no view is open and visible.
 */
export const queueJobLive = {
    dependencies: ["orm", "bus_service"],
    start(env, {orm, bus_service: bus}) {
        const viewer = Math.random().toString(36).slice(2) + Date.now().toString(36);
        const listeners = new Set();
        const mutex = new Mutex();
        let timer = null;
        let active = false;
        let leads = false;
        let mark = null;

        const call = (method) => orm.silent.call("queue.job", method, [viewer]);
        const wanted = () =>
            listeners.size > 0 && document.visibilityState === "visible";

        function changed(newMark) {
            if (newMark === mark) {
                return;
            }
            mark = newMark;
            for (const listener of [...listeners]) {
                listener();
            }
        }

        function plan(delay) {
            browser.clearTimeout(timer);
            timer = active ? browser.setTimeout(look, delay) : null;
        }

        function look() {
            return mutex.exec(async () => {
                if (!active) {
                    return;
                }
                let delay = AFTER_ERROR;
                try {
                    const found = await call("live_look");
                    leads = found.leads;
                    const told = bus.workerState === "CONNECTED";
                    delay = leads || !told ? LOOK_EVERY : ASK_EVERY;
                    if (active) {
                        changed(found.mark);
                    }
                } catch {
                    // Without the server nothing changes on the screen; it says so itself.
                }
                plan(delay);
            });
        }

        function onMessage({mark: newMark}) {
            if (!active) {
                return;
            }
            if (newMark) {
                changed(newMark);
            } else {
                // Whoever looked for all has gone: who comes first takes over.
                plan(Math.random() * 300);
            }
        }

        function follow() {
            if (wanted() === active) {
                return;
            }
            active = !active;
            if (active) {
                bus.addChannel(CHANNEL);
                plan(0);
                return;
            }
            plan(0);
            bus.deleteChannel(CHANNEL);
            if (leads) {
                leads = false;
                mutex.exec(() => call("live_leave").catch(() => {}));
            }
        }

        bus.subscribe(CHANNEL, onMessage);
        document.addEventListener("visibilitychange", follow);

        return {
            /** What the last look found; null: nobody has looked. */
            get mark() {
                return mark;
            },
            /**
             * @param {() => void} listener called when jobs have changed
             * @returns {() => void} ends it
             */
            listen(listener) {
                if (!listeners.size) {
                    mark = null;
                }
                listeners.add(listener);
                follow();
                return () => {
                    listeners.delete(listener);
                    follow();
                };
            },
        };
    },
};

registry.category("services").add("queue_job.live", queueJobLive);
