import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {Component, xml} from "@odoo/owl";

const HEIGHT = 20;
const BAR = {width: 3, gap: 1};

/** A few numbers as small bars. */
export class Sparkline extends Component {
    static template = xml`
        <svg class="o_queue_job_sparkline text-danger" role="img" t-att-aria-label="label"
            t-att-width="width" height="${HEIGHT}">
            <rect t-foreach="bars" t-as="bar" t-key="bar_index" fill="currentColor"
                width="${BAR.width}" t-att-x="bar.x" t-att-y="bar.y" t-att-height="bar.height"
                t-att-opacity="bar.height > 1 ? 1 : 0.25"/>
        </svg>`;
    static props = {...standardFieldProps};

    // Texts within this file's template are not found by the export of texts.
    get label() {
        return _t("Trend");
    }

    get numbers() {
        return this.props.record.data[this.props.name] || [];
    }

    get width() {
        return this.numbers.length * (BAR.width + BAR.gap);
    }

    get bars() {
        const most = Math.max(1, ...this.numbers);
        return this.numbers.map((number, index) => {
            const height = Math.max(1, (HEIGHT * number) / most);
            return {x: index * (BAR.width + BAR.gap), y: HEIGHT - height, height};
        });
    }
}

registry.category("fields").add("queue_job_sparkline", {
    component: Sparkline,
    supportedTypes: ["json"],
});
