import {browser} from "@web/core/browser/browser";
import {deserializeDateTime} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {ConfirmationDialog} from "@web/core/confirmation_dialog/confirmation_dialog";
import {Layout} from "@web/search/layout";
import {standardActionServiceProps} from "@web/webclient/actions/action_service";
import {Component, onWillStart, onMounted, onWillUnmount, useState} from "@odoo/owl";
import {channelDomain, figuresAction, jobsAction, triesAction} from "../jobs_action";
import {useLive} from "../live/live_hook";
import {DurationChart, OutcomeChart} from "./charts";
import {formatDuration, formatNumber} from "./format";

/** Ages grow also when nothing changes. */
const REFRESH_EVERY = 10000;
/** Where not all jobs are counted, so many are in any case. */
const COUNTED_AT_LEAST = 100;

/** How the queue is doing: what waits and runs, what ended, who executes. */
export class Dashboard extends Component {
    static template = "queue_job.Dashboard";
    static components = {Layout, OutcomeChart, DurationChart};
    static props = {...standardActionServiceProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.dialog = useService("dialog");
        this.display = {controlPanel: {}};
        this.duration = formatDuration;
        this.number = formatNumber;
        this.periods = [
            {id: "hour", label: _t("Hour")},
            {id: "day", label: _t("Day")},
            {id: "week", label: _t("Week")},
        ];
        this.state = useState({
            period: "hour",
            channel: "",
            kind: "wait",
            data: null,
        });
        onWillStart(() => this.load());
        useLive(() => this.load());
        let timer;
        onMounted(() => {
            timer = browser.setInterval(() => {
                if (document.visibilityState === "visible") {
                    this.load().catch(() => {});
                }
            }, REFRESH_EVERY);
        });
        onWillUnmount(() => browser.clearInterval(timer));
    }

    async load() {
        const {period, channel} = this.state;
        const data = await this.orm.silent.call("queue.job", "dashboard", [
            period,
            channel,
        ]);
        if (period === this.state.period && channel === this.state.channel) {
            this.state.data = data;
        }
    }

    /** Have the jobs of a copy executed, once somebody has said so twice. */
    release() {
        this.dialog.add(ConfirmationDialog, {
            title: _t("Execute jobs here"),
            body: _t(
                "All jobs that wait in this copy will be executed here, also those that the original database executes: mails, orders and calls of other systems are made twice. Cancel the jobs that must not run before you go on."
            ),
            confirmLabel: _t("Execute jobs here"),
            confirm: async () => {
                await this.orm.call("queue.job", "release_copy", []);
                await this.load();
            },
            cancel: () => {},
        });
    }

    setPeriod(period) {
        this.state.period = period;
        return this.load();
    }

    onChannel(ev) {
        this.state.channel = ev.target.value;
        return this.load();
    }

    get channels() {
        return this.state.data.now.channels;
    }

    /** The channel that is looked at. */
    get focus() {
        const name = this.state.channel || "root";
        return this.channels.find((each) => each.name === name) || this.channels[0];
    }

    /** A number of jobs; with a plus where there are too many to count them all. */
    count(channel, what) {
        const text = formatNumber(channel[what]);
        return channel.capped && channel[what] >= COUNTED_AT_LEAST ? `${text}+` : text;
    }

    get total() {
        return this.state.data.ended.total;
    }

    get since() {
        return this.state.data.ended.buckets[0].at.replace("T", " ").slice(0, 19);
    }

    get runners() {
        return this.state.data.now.runners.map((runner) => ({
            ...runner,
            seen: deserializeDateTime(runner.seen_at.slice(0, 19)).toRelative(),
            since: deserializeDateTime(runner.started_at.slice(0, 19)).toRelative(),
        }));
    }

    get executedBy() {
        return {
            runner: _t("Jobs are executed by the server's runner."),
            cron: _t("Jobs are executed by a scheduled action."),
            nobody: _t("Nobody executes jobs."),
        }[this.state.data.now.executed_by];
    }

    /** How full a channel is, in percent. */
    load_(channel) {
        return channel.capacity
            ? Math.min(100, (100 * channel.running) / channel.capacity)
            : 0;
    }

    gaugeClass(channel) {
        if (channel.paused) {
            return "bg-secondary";
        }
        return this.load_(channel) >= 100 ? "bg-warning" : "bg-success";
    }

    // ------------------------------------------------------------ what is behind

    openJobs(channel, what) {
        const pending = [
            ["state", "=", "pending"],
            ["ready", "=", true],
        ];
        const wanted = {
            running: [_t("Running Jobs"), [["state", "in", ["enqueued", "started"]]]],
            pending: [_t("Pending Jobs"), pending],
            oldest: [_t("Pending Jobs, the Oldest First"), pending],
            scheduled: [
                _t("Jobs That Wait for a Date"),
                [
                    ["state", "=", "pending"],
                    ["ready", "=", false],
                ],
            ],
            failed: [_t("Failed Jobs"), [["state", "=", "failed"]]],
            all: [_t("Jobs"), []],
        }[what];
        const orderBy = what === "oldest" ? [{name: "date_created", asc: true}] : [];
        this.action.doAction(
            jobsAction(wanted[0], [...wanted[1], ...channelDomain(channel)]),
            {props: {orderBy}}
        );
    }

    /** The jobs, or tries, that ended like that in the period. */
    openEnded(outcome) {
        const channel = channelDomain(this.state.channel);
        const dates = {done: "date_done", cancelled: "date_cancelled"};
        if (outcome in dates) {
            const domain = [
                ["state", "=", outcome],
                [dates[outcome], ">=", this.since],
            ];
            const name = outcome === "done" ? _t("Done Jobs") : _t("Cancelled Jobs");
            return this.action.doAction(jobsAction(name, [...domain, ...channel]));
        }
        const ofJob = channel.map((each) =>
            Array.isArray(each) ? [`job_id.${each[0]}`, each[1], each[2]] : each
        );
        const domain = [
            ["outcome", "=", outcome],
            ["date_ended", ">=", this.since],
        ];
        return this.action.doAction(
            triesAction(_t("Unsuccessful Tries"), [...domain, ...ofJob])
        );
    }

    /** The rows that throughput and times are made of. */
    openFigures() {
        const grain = this.state.period === "week" ? "hour" : "minute";
        const domain = [
            ["grain", "=", grain],
            ["at", ">=", this.since],
        ];
        this.action.doAction(
            figuresAction(_t("Statistics"), [
                ...domain,
                ...channelDomain(this.state.channel),
            ])
        );
    }

    openChannels() {
        this.action.doAction("queue_job.action_queue_job_channel");
    }

    openRunners() {
        this.action.doAction("queue_job.action_queue_job_runner");
    }
}

registry.category("actions").add("queue_job.dashboard", Dashboard);
