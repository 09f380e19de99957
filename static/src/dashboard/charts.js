/* global Chart */
import {loadBundle} from "@web/core/assets";
import {deserializeDateTime} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {Component, onWillStart, onWillUnmount, useEffect, useRef} from "@odoo/owl";
import {formatDuration} from "./format";

/** A colour of the theme, bright or dark. */
function themeColor(name) {
    return getComputedStyle(document.documentElement)
        .getPropertyValue(`--${name}`)
        .trim();
}

class BucketChart extends Component {
    static template = "queue_job.BucketChart";
    static props = {
        ended: Object,
        kind: {type: String, optional: true},
        onOpen: {type: Function, optional: true},
    };

    setup() {
        this.canvas = useRef("canvas");
        this.chart = null;
        onWillStart(() => loadBundle("web.chartjs_lib"));
        useEffect(
            () => this.draw(),
            () => [this.props.ended, this.props.kind]
        );
        onWillUnmount(() => this.chart?.destroy());
    }

    get labels() {
        const format = {hour: "HH:mm", day: "HH:mm", week: "ccc HH:mm"};
        return this.props.ended.buckets.map((bucket) =>
            deserializeDateTime(bucket.at.replace("T", " ").slice(0, 19)).toFormat(
                format[this.props.ended.period]
            )
        );
    }

    draw() {
        const config = this.config();
        if (this.chart && this.shape === this.shapeOf(config)) {
            // New figures only: no animation, nothing flickers.
            this.chart.data.labels = config.data.labels;
            config.data.datasets.forEach(({data}, index) => {
                this.chart.data.datasets[index].data = data;
            });
            this.chart.update("none");
            return;
        }
        this.chart?.destroy();
        this.shape = this.shapeOf(config);
        this.chart = new Chart(this.canvas.el, config);
    }

    shapeOf(config) {
        return [config.data.labels.length, this.props.kind].join();
    }

    config() {
        const text = themeColor("body-color");
        const grid = {color: themeColor("border-color")};
        const ticks = {color: text};
        return {
            type: this.type,
            data: {labels: this.labels, datasets: this.datasets},
            options: {
                animation: false,
                maintainAspectRatio: false,
                interaction: {mode: "index", intersect: false},
                plugins: {
                    legend: {position: "bottom", labels: {color: text, boxWidth: 12}},
                    tooltip: {callbacks: this.tooltips},
                },
                scales: {
                    x: {
                        stacked: this.isStacked,
                        grid: {display: false},
                        ticks: {...ticks, maxTicksLimit: 8, maxRotation: 0},
                    },
                    y: {
                        stacked: this.isStacked,
                        beginAtZero: true,
                        grid,
                        ticks: {...ticks, maxTicksLimit: 6, ...this.yTicks},
                    },
                },
                onClick: (ev, elements) => this.onClick(elements),
            },
        };
    }

    get tooltips() {
        return {};
    }

    get yTicks() {
        return {};
    }

    onClick() {}
}

/** How many jobs ended in each step of the period, by outcome. */
export class OutcomeChart extends BucketChart {
    get type() {
        return "bar";
    }

    get isStacked() {
        return true;
    }

    get outcomes() {
        return [
            ["done", _t("Done"), "success"],
            ["failed", _t("Failed"), "danger"],
            ["retry", _t("Tried again"), "warning"],
            ["cancelled", _t("Cancelled"), "gray-500"],
            ["died", _t("Worker died"), "primary"],
        ];
    }

    get datasets() {
        return this.outcomes.map(([name, label, color]) => ({
            label,
            data: this.props.ended.buckets.map((bucket) => bucket[name]),
            backgroundColor: themeColor(color),
            barPercentage: 1,
            categoryPercentage: 0.85,
        }));
    }

    get yTicks() {
        return {precision: 0};
    }

    onClick(elements) {
        const hit = elements.find(({element}) => element.height > 0);
        if (hit) {
            this.props.onOpen(this.outcomes[hit.datasetIndex][0]);
        }
    }
}

/** How long jobs waited, or ran, in each step of the period. */
export class DurationChart extends BucketChart {
    get type() {
        return "line";
    }

    get isStacked() {
        return false;
    }

    get datasets() {
        return [
            ["p50", "success"],
            ["p95", "warning"],
            ["p99", "danger"],
        ].map(([name, color]) => ({
            label: name,
            data: this.props.ended.buckets.map(
                (bucket) => bucket[this.props.kind][name]
            ),
            borderColor: themeColor(color),
            backgroundColor: themeColor(color),
            borderWidth: 2,
            pointRadius: 2,
            spanGaps: false,
            tension: 0.2,
        }));
    }

    get yTicks() {
        return {callback: (value) => formatDuration(value)};
    }

    get tooltips() {
        return {
            label: ({dataset, parsed}) =>
                `${dataset.label}: ${formatDuration(parsed.y)}`,
        };
    }
}
