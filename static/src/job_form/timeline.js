import {deserializeDateTime, formatDateTime} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {Component} from "@odoo/owl";

/** How a job went, from its creation to its end. */
export class JobTimeline extends Component {
    static template = "queue_job.JobTimeline";
    static props = {...standardWidgetProps};

    get steps() {
        return (this.props.record.data.timeline || []).map((step) => {
            const at = step.at && deserializeDateTime(step.at);
            return {
                ...step,
                at: at ? formatDateTime(at, {showSeconds: true}) : "",
                took: step.seconds ? _t("%s s", step.seconds.toFixed(2)) : "",
            };
        });
    }
}

registry.category("view_widgets").add("queue_job_timeline", {
    component: JobTimeline,
    fieldDependencies: [{name: "timeline", type: "json"}],
});
