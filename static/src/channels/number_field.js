import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {formatFloat} from "@web/views/fields/formatters";
import {InvalidNumberError, parseFloat} from "@web/views/fields/parsers";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {Component, xml} from "@odoo/owl";

/** A number on a card that is changed where it stands, and kept at once. */
export class CardNumber extends Component {
    static template = xml`
        <input type="text" inputmode="decimal" autocomplete="off"
            class="o_queue_job_number form-control form-control-sm text-end"
            t-att-value="text" t-att-aria-label="label"
            t-on-click.stop="" t-on-change="onChange"/>`;
    static props = {...standardFieldProps};

    setup() {
        this.orm = useService("orm");
    }

    get text() {
        const {record, name} = this.props;
        return formatFloat(record.data[name], {trailingZeros: false});
    }

    get label() {
        return this.props.record.fields[this.props.name].string;
    }

    async onChange(ev) {
        const {record, name} = this.props;
        try {
            const values = {[name]: parseFloat(ev.target.value)};
            await this.orm.write(record.resModel, [record.resId], values);
        } catch (error) {
            // What was refused is not left standing there.
            ev.target.value = this.text;
            if (!(error instanceof InvalidNumberError)) {
                throw error;
            }
        }
        await record.load();
    }
}

registry.category("fields").add("queue_job_number", {
    component: CardNumber,
    supportedTypes: ["integer", "float"],
});
