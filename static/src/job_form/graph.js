import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {
    Component,
    onWillStart,
    onWillUpdateProps,
    useRef,
    useState,
    onMounted,
} from "@odoo/owl";
import {useLive} from "../live/live_hook";
import {layOut, NODE} from "./graph_layout";

const LONGEST = 24;
/** Pixels around the picture in its pane. */
const PADDING = 20;
const ZOOM = {least: 0.1, most: 2, step: 1.4};

/** The graph that a job is part of, coloured by the states of its jobs, live. */
export class JobGraph extends Component {
    static template = "queue_job.JobGraph";
    static props = {...standardWidgetProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.pane = useRef("pane");
        this.node = NODE;
        this.state = useState({picture: null, states: {}, total: 0, zoom: 1});
        onWillStart(() => this.load(this.props.record.resId));
        onWillUpdateProps((next) => {
            if (next.record.resId !== this.props.record.resId) {
                return this.load(next.record.resId);
            }
        });
        onMounted(() => this.fit());
        useLive(() => this.load(this.props.record.resId));
    }

    async load(resId) {
        const [{jobs, barriers, total}] = [
            await this.orm.silent.call("queue.job", "graph_picture", [[resId]]),
        ];
        this.state.states = Object.fromEntries(
            jobs.map(([id, , state]) => [id, state])
        );
        this.state.total = total;
        const shape = JSON.stringify([jobs.map(([id, name]) => [id, name]), barriers]);
        if (shape !== this.shape) {
            this.shape = shape;
            this.state.picture = layOut(jobs, barriers);
        }
    }

    get isCut() {
        const drawn = this.state.picture.nodes.length;
        return this.state.total > drawn
            ? _t("%(drawn)s of %(total)s jobs are drawn.", {
                  drawn,
                  total: this.state.total,
              })
            : "";
    }

    label(name) {
        return name && name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name;
    }

    open(id) {
        this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "queue.job",
            res_id: id,
            views: [[false, "form"]],
        });
    }

    onKeydown(ev, id) {
        if (ev.key === "Enter") {
            this.open(id);
        }
    }

    zoom(factor) {
        this.state.zoom = Math.min(
            ZOOM.most,
            Math.max(ZOOM.least, this.state.zoom * factor)
        );
    }

    zoomIn() {
        this.zoom(ZOOM.step);
    }

    zoomOut() {
        this.zoom(1 / ZOOM.step);
    }

    /** As large as fits, but never larger than it is drawn. */
    fit() {
        const {width, height} = this.state.picture;
        const pane = this.pane.el;
        if (!pane) {
            return;
        }
        const tall = Math.max(pane.clientHeight, window.innerHeight * 0.5);
        const zoom = Math.min(
            1,
            (pane.clientWidth - PADDING) / width,
            (tall - PADDING) / height
        );
        this.state.zoom = Math.max(ZOOM.least, zoom);
    }
}

registry.category("view_widgets").add("queue_job_graph", {component: JobGraph});
