/** What a number opens: the list of the jobs that were counted. */

const VIEWS = [
    [false, "list"],
    [false, "kanban"],
    [false, "form"],
];

/** The channel and those below it. */
export function channelDomain(name) {
    if (!name || name === "root") {
        return [];
    }
    const below = name.replace(/[\\_%]/g, "\\$&");
    return ["|", ["channel", "=", name], ["channel", "=like", `${below}.%`]];
}

export function jobsAction(name, domain) {
    return {
        type: "ir.actions.act_window",
        name,
        res_model: "queue.job",
        views: VIEWS,
        mobile_view_mode: "kanban",
        domain,
        context: {},
        target: "current",
    };
}

/** What ended, in the steps of a period, as it was added up. */
export function figuresAction(name, domain) {
    return {
        ...jobsAction(name, domain),
        res_model: "queue.job.stat",
        views: [
            [false, "list"],
            [false, "graph"],
            [false, "pivot"],
        ],
        mobile_view_mode: "graph",
    };
}

/** Tries are listed where a job may have ended that way many times. */
export function triesAction(name, domain) {
    return {...jobsAction(name, domain), res_model: "queue.job.try"};
}
