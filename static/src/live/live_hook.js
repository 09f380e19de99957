import {browser} from "@web/core/browser/browser";
import {useService} from "@web/core/utils/hooks";
import {onMounted, onWillUnmount} from "@odoo/owl";

/** Milliseconds between two updates of a view, at least. */
const GAP = 1000;
/** What a view needs to update itself is a small share of the time. */
const SHARE = 4;

/**
 * Updates a component when jobs have changed, at most once a second, and less often
 * when the update itself takes long.
 *
 * @param {() => Promise<any>} update
 * @param {() => Promise<boolean> | boolean} [mayUpdate] false: not now, ask again
 */
export function useLive(update, mayUpdate = () => true) {
    const live = useService("queue_job.live");
    let stop = null;
    let timer = null;
    let notBefore = 0;
    let running = false;
    // What the component reads from now on is not older than this.
    const seen = live.mark;

    function plan() {
        if (timer === null && !running && stop) {
            timer = browser.setTimeout(run, Math.max(0, notBefore - Date.now()));
        }
    }

    async function run() {
        timer = null;
        running = true;
        let again = false;
        const began = Date.now();
        try {
            if (await mayUpdate()) {
                await update();
            } else {
                again = true;
            }
        } catch {
            // The next change has it tried again.
        }
        running = false;
        notBefore = Date.now() + Math.max(GAP, SHARE * (Date.now() - began));
        if (again) {
            plan();
        }
    }

    onMounted(() => {
        stop = live.listen(plan);
        if (live.mark !== seen) {
            plan();
        }
    });
    onWillUnmount(() => {
        stop();
        stop = null;
        browser.clearTimeout(timer);
    });
}
