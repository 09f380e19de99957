import {registry} from "@web/core/registry";

const tours = registry.category("web_tour.tours");
const dialog = ".modal:not(.o_inactive_modal)";
const row = (text) => `.o_data_row:contains("${text}")`;
/** The part of a line that opens it. */
const cell = (text) => `${row(text)} td.o_data_cell:first`;
const breadcrumb = ".o_back_button, .breadcrumb-item:first a";

/** What a person does in a dialog that asks. */
const confirm = {trigger: `${dialog} .modal-footer .btn-primary`, run: "click"};

/** The list was read anew after a dialog: what was selected before is not any more. */
const listAnew = {trigger: "body:not(:has(.modal, .o_data_row_selected))"};

/** From the dashboard to what is behind a number, and back. */
const behind = (trigger, title) => [
    {trigger, run: "click"},
    {trigger: `.o_last_breadcrumb_item:contains("${title}")`},
    {trigger: ".breadcrumb-item a:contains(Job Queue)", run: "click"},
    {trigger: ".o_queue_job_dashboard canvas"},
];
const tile = (name) => `.o_queue_job_tile[data-name=${name}]`;
const note = (name) => `.o_queue_job_note[data-name=${name}]`;
const place = (column) => `tr[data-channel='root.t_tour'] td:eq(${column}) a`;

tours.add("queue_job_dashboard", {
    steps: () => [
        {trigger: ".alert-danger:contains(Nobody executes jobs):contains(restart)"},
        {trigger: ".o_queue_job_executed_by:contains(Nobody)"},
        {trigger: "button[data-period=day]", run: "click"},
        {trigger: "button[data-period=day].active"},
        {trigger: "button[name=run]", run: "click"},
        {trigger: "button[name=run].active"},
        {trigger: `${place(5)}:contains(2)`},
        {trigger: `${tile("failed")}:contains(2)`, run: "click"},
        {trigger: cell("Tour fails"), run: "click"},
        {trigger: ".o_form_view .o_queue_job_timeline"},
        {trigger: ".breadcrumb-item a:contains(Job Queue)", run: "click"},
        ...behind(tile("running"), "Running Jobs"),
        ...behind(tile("pending"), "Pending Jobs"),
        ...behind(note("pending"), "the Oldest First"),
        ...behind(tile("scheduled"), "Jobs That Wait for a Date"),
        ...behind(tile("done"), "Done Jobs"),
        ...behind(note("done"), "Statistics"),
        ...behind(tile("failures"), "Unsuccessful Tries"),
        ...behind(note("failures"), "Unsuccessful Tries"),
        ...behind(".o_queue_job_shares", "Statistics"),
        ...behind(place(1), "Running Jobs"),
        ...behind(place(2), "Pending Jobs"),
        ...behind(place(3), "the Oldest First"),
        ...behind(place(4), "Jobs That Wait for a Date"),
        ...behind(place(5), "Failed Jobs"),
        ...behind(".card-title a:contains(Execution)", "Runners"),
        {trigger: place(0), run: "click"},
        {trigger: row("Tour waits")},
    ],
});

/** What a copy button copies is kept, for the clipboard is not to be read here. */
function keepCopies() {
    navigator.clipboard.writeText = async (text) => {
        window.queueJobCopied = text;
    };
}

function checkCopied() {
    if (!`${window.queueJobCopied}`.includes("Traceback")) {
        throw new Error(`copied: ${window.queueJobCopied}`);
    }
    window.queueJobCopied = "";
}

const copy = (where) => [
    {trigger: `${where} button:contains(Copy the traceback)`, run: "click"},
    {trigger: `${where} .o_field_widget[name=exc_info]`, run: checkCopied},
];

tours.add("queue_job_form", {
    steps: () => [
        {trigger: ".o_facet_value:contains(Failed)"},
        {trigger: cell("Tour fails 1"), run: "click"},
        {trigger: ".o_form_view .alert-danger:contains(On purpose)"},
        {trigger: ".o_queue_job_timeline li:contains(Created)"},
        {trigger: ".o_queue_job_timeline li:contains(Try 1)"},
        // Whoever opens a failed job sees why at once.
        {
            trigger: ".o_field_widget[name=exc_info]:contains(Traceback)",
            run: keepCopies,
        },
        ...copy(".o_form_view"),
        {trigger: "a[name=tries]", run: "click"},
        {
            trigger: `.o_field_widget[name=try_ids] ${cell("On purpose")}`,
            run: "click",
        },
        {trigger: `${dialog} .o_field_widget[name=exc_info]:contains(Traceback)`},
        ...copy(dialog),
        {trigger: `${dialog} .btn-close`, run: "click"},
        {trigger: "body:not(:has(.modal))"},
        {trigger: "a[name=arguments]", run: "click"},
        {trigger: ".o_field_widget[name=arguments_display]:contains(1)"},
        {trigger: "button[name=requeue]:first", run: "click"},
        {trigger: ".o_statusbar_status .o_arrow_button_current:contains(Pending)"},
        {trigger: ".o-mail-Message:contains(Requeued by)"},
        {trigger: ".o_queue_job_timeline li:contains(Waits for its turn)"},
        {trigger: "button[name=button_cancelled]", run: "click"},
        confirm,
        {trigger: ".o_statusbar_status .o_arrow_button_current:contains(Cancelled)"},
        {trigger: ".o-mail-Message:contains(Cancelled by)"},
    ],
});

tours.add("queue_job_stop", {
    steps: () => [
        {trigger: ".o_form_view .o_field_widget[name=progress]:contains(40)"},
        {
            trigger:
                ".o_form_view .o_field_widget[name=progress_message]:contains(Two of five)",
        },
        {trigger: "button[name=button_stop]", run: "click"},
        confirm,
        {trigger: ".o-mail-Message:contains(Asked to stop by)"},
    ],
});

tours.add("queue_job_graph", {
    steps: () => [
        {trigger: "a[name=dependencies]", run: "click"},
        {trigger: ".o_queue_job_graph .o_queue_job_edges"},
        {trigger: ".o_queue_job_graph .o_queue_job_barrier"},
        {trigger: ".o_queue_job_node.o_state_pending:contains(First 1)"},
        {trigger: ".o_queue_job_node.o_state_wait_dependencies:contains(Second 1)"},
        {trigger: "button[title=Larger]", run: "click"},
        {trigger: "button[title=Fit]", run: "click"},
        {trigger: ".o_queue_job_node:contains(First 2)", run: "click"},
        {trigger: ".o_form_view .oe_title:contains(First 2)"},
        {trigger: "button[name=button_done]", run: "click"},
        confirm,
        {trigger: "a[name=dependencies]", run: "click"},
        {trigger: ".o_queue_job_node.o_state_done.o_current:contains(First 2)"},
        // The picture follows what others do.
        {
            trigger: ".o_queue_job_node.o_state_pending:contains(First 3)",
            async run() {
                const domain = [["name", "=", "First 3"]];
                const ids = await callServer("queue.job", "search", [domain]);
                await callServer("queue.job", "button_cancelled", [ids]);
            },
        },
        {trigger: ".o_queue_job_node.o_state_cancelled:contains(First 3)"},
        {trigger: ".o_queue_job_node.o_state_cancelled:contains(Second 1)"},
    ],
});

/** Resolves when there are so many elements. */
async function numberOf(selector, number) {
    while (document.querySelectorAll(selector).length !== number) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }
}

tours.add("queue_job_large_graph", {
    steps: () => [
        {
            trigger: "a[name=dependencies]",
            async run() {
                const times = [];
                // The machine may be busy with something else: one of some counts.
                while (times.length < 8 && !times.some((each) => each < 1000)) {
                    document.querySelector("a[name=arguments]").click();
                    await numberOf(".o_queue_job_node", 0);
                    const began = performance.now();
                    document.querySelector("a[name=dependencies]").click();
                    await numberOf(".o_queue_job_node", 1000);
                    times.push(Math.round(performance.now() - began));
                }
                if (!times.some((each) => each < 1000)) {
                    throw new Error(`1,000 nodes took ${times} ms`);
                }
            },
        },
    ],
});

tours.add("queue_job_bulk", {
    steps: () => [
        {trigger: ".o_searchview_facet .o_facet_remove", run: "click"},
        {trigger: ".o_searchview_input", run: "edit Tour waits"},
        {trigger: ".o_searchview_autocomplete .o-dropdown-item:first", run: "click"},
        {trigger: ".o_list_view .o_data_row"},
        {trigger: "thead .o_list_record_selector input", run: "click"},
        {trigger: ".o_select_domain", run: "click"},
        {trigger: ".o_control_panel button:contains(Change)", run: "click"},
        {trigger: `${dialog} [name=matching_count]:contains(100)`},
        {trigger: `${dialog} [name=change_priority] input`, run: "click"},
        {trigger: `${dialog} [name=priority] input`, run: "edit 3"},
        {trigger: `${dialog} button[name=apply]:contains(Change Jobs)`, run: "click"},
        {trigger: ".o_notification:contains(100 jobs)"},
        {trigger: "body:not(:has(.modal))"},
        {trigger: "thead .o_list_record_selector input:not(:checked)", run: "click"},
        {trigger: ".o_select_domain", run: "click"},
        {trigger: ".o_control_panel button:contains(Cancel)", run: "click"},
        {trigger: `${dialog} button[name=apply]:contains(Cancel Jobs)`, run: "click"},
        {trigger: ".o_data_row:not(:has(.badge:not(:contains(Cancelled))))"},
        listAnew,
        {trigger: ".o_data_row:first input", run: "click"},
        {trigger: ".o_control_panel button:contains(Requeue)", run: "click"},
        {trigger: `${dialog} button[name=apply]:contains(Requeue Jobs)`, run: "click"},
        {trigger: ".o_data_row .badge:contains(Pending)"},
        listAnew,
        {trigger: ".o_data_row:has(.badge:contains(Pending)) input", run: "click"},
        {trigger: ".o_control_panel button:contains(Change)", run: "click"},
        {trigger: `${dialog} label:contains(Set to Done)`, run: "click"},
        {trigger: `${dialog} button[name=apply]:contains(Done)`, run: "click"},
        {trigger: ".o_data_row .badge:contains(Done)"},
    ],
});

tours.add("queue_job_search", {
    steps: () => [
        {
            trigger: ".o_search_panel_category_value:contains(root) .o_toggle_fold",
            run: "click",
        },
        {
            trigger: ".o_search_panel_category_value header:contains(t_tour)",
            run: "click",
        },
        {trigger: row("Tour fails 1")},
        {trigger: ".o_searchview_input", run: "edit On purpose"},
        {
            trigger: ".o_searchview_autocomplete .o-dropdown-item:contains(Error)",
            run: "click",
        },
        {trigger: ".o_list_view .o_data_row:contains(Tour fails)"},
        {trigger: "body:not(:has(.o_data_row:contains(Tour waits)))"},
    ],
});

tours.add("queue_job_failures", {
    steps: () => [
        {trigger: `${row("t.TourError")}:contains(2)`},
        {trigger: cell("t.TourError"), run: "click"},
        {trigger: row("Tour fails 1")},
        {
            trigger: ".o_back_button, .breadcrumb-item a:contains(Failures)",
            run: "click",
        },
        {
            trigger: `${row("t.TourError")} button[name=button_requeue]`,
            run: "click",
        },
        confirm,
        {trigger: "body:not(:has(.o_data_row:contains(t.TourError)))"},
        {
            trigger: `${row("t.OtherError")} button[name=button_discard]`,
            run: "click",
        },
        confirm,
        {trigger: "body:not(:has(.o_data_row:contains(t.OtherError)))"},
    ],
});

const card = ".o_kanban_record:contains(root.t_tour)";

tours.add("queue_job_channels", {
    steps: () => [
        {trigger: `${card} button[name=button_pause]`, run: "click"},
        {trigger: `${card} .badge:contains(Paused)`},
        {trigger: `${card} button[name=button_resume]`, run: "click"},
        {trigger: `${card} button[name=button_more]`, run: "click"},
        {trigger: `${card}:contains(of 3)`},
        {trigger: `${card} button[name=button_less]`, run: "click"},
        {trigger: `${card}:contains(of 2)`},
        {
            trigger: `${card} input.o_queue_job_number`,
            run: "edit 2.5 && click .o_control_panel",
        },
        {trigger: `${card}:contains(every 2.5)`},
        {trigger: `${card} button[name=button_sequential]`, run: "click"},
        {trigger: `${card} .badge:contains(Sequential)`},
        {trigger: `${card}:contains(of 1)`},
        {trigger: `${card} button[name=button_parallel]`, run: "click"},
        {trigger: `${card}:not(:has(.badge:contains(Sequential)))`},
        {
            trigger:
                ".o_kanban_record:contains(root.t_told):contains(capacity 3) .badge:contains(Configuration)",
        },
        {
            trigger:
                ".o_kanban_record:contains(root.t_told):not(:has(button[name=button_more]))",
        },
        {trigger: ".o_switch_view.o_list", run: "click"},
        {trigger: `${row("root.t_tour")} td[name=capacity]`, run: "click"},
        {trigger: ".o_selected_row td[name=capacity] input", run: "edit 5"},
        {trigger: ".o_list_button_save", run: "click"},
        {trigger: `${row("root.t_tour")} td[name=capacity]:contains(5)`},
        {
            trigger: `${row("root.t_tour")} td.o_list_record_open_form_view button`,
            run: "click",
        },
        {trigger: ".o-mail-Message:contains(Capacity)"},
    ],
});

tours.add("queue_job_functions", {
    steps: () => [
        {trigger: cell("_test_job"), run: "click"},
        {trigger: ".o_form_view .o_field_widget[name=week_done]"},
        {trigger: ".o_field_widget[name=timeout] input", run: "edit 30"},
        {trigger: ".o_form_button_save", run: "click"},
        {trigger: ".o_form_saved, .o_form_view:not(:has(.o_form_button_save:visible))"},
        {trigger: "button[name=open_jobs]", run: "click"},
        {trigger: row("Tour fails 1")},
    ],
});

tours.add("queue_job_viewer", {
    steps: () => [
        {trigger: row("Tour fails 1")},
        {trigger: "body:not(:has(.o_queue_job_failed))"},
        {trigger: ".o_data_row:first input", run: "click"},
        {
            trigger: ".o_selection_container",
            run() {
                const buttons = [
                    ...document.querySelectorAll(".o_control_panel button"),
                ];
                const forbidden = ["Requeue", "Cancel", "Change"];
                const seen = buttons.filter((each) =>
                    forbidden.includes(each.innerText.trim())
                );
                if (seen.length) {
                    throw new Error("a viewer sees buttons of operators");
                }
            },
        },
        {trigger: ".o_unselect_all, .o_list_unselect_all", run: "click"},
        {trigger: cell("Tour fails 1"), run: "click"},
        {trigger: ".o_form_view .o_queue_job_timeline"},
        {
            trigger:
                "body:not(:has(button[name=requeue], button[name=button_cancelled]))",
        },
    ],
});

/** Does by the server what somebody else does at another screen. */
async function callServer(model, method, args) {
    const response = await fetch(`/web/dataset/call_kw/${model}/${method}`, {
        method: "POST",
        headers: {"Content-Type": "application/json"},
        body: JSON.stringify({params: {model, method, args, kwargs: {}}}),
    });
    return (await response.json()).result;
}

tours.add("queue_job_live", {
    steps: () => [
        {
            trigger: `${row("Tour fails 1")} .badge:contains(Failed)`,
            async run() {
                const domain = [["name", "=", "Tour fails 1"]];
                const ids = await callServer("queue.job", "search", [domain]);
                await callServer("queue.job", "requeue", [ids]);
            },
        },
        {trigger: `${row("Tour fails 1")} .badge:contains(Pending)`},
    ],
});

tours.add("queue_job_digest", {
    steps: () => [
        {trigger: ".o_list_button_add", run: "click"},
        {
            trigger:
                ".o_selected_row [name=period] input, .o_selected_row [name=period] select",
        },
        {trigger: ".o_list_button_save", run: "click"},
        {trigger: ".o_data_row:contains(Every Day)"},
    ],
});

tours.add("queue_job_systray", {
    steps: () => [
        {trigger: ".o_queue_job_failed .badge:contains(3)"},
        {trigger: "button.o_queue_job_progress", run: "click"},
        {trigger: ".o_queue_job_progress_menu a:contains(Two of five)"},
        {
            trigger: ".o_queue_job_progress_menu [aria-valuenow='40']",
            async run() {
                await callServer("test.queue.record", "end_for_tour", [[]]);
            },
        },
        {trigger: ".o_queue_job_ended:contains(Tour runs)"},
        {
            trigger: ".o_queue_job_ended:contains(It is over) button:contains(Open)",
            run: "click",
        },
        {trigger: ".o_form_view .oe_title:contains(Tour runs)"},
    ],
});

tours.add("queue_job_record", {
    steps: () => [
        {trigger: "button[name=open_queue_jobs]:contains(1)", run: "click"},
        {trigger: cell("Tour record"), run: "click"},
        {trigger: ".o_field_widget[name=records_display]:contains(test.queue.record)"},
        {trigger: "button[name=open_related_action]", run: "click"},
        {trigger: ".o_form_view .o_field_widget[name=name] input"},
    ],
});

tours.add("queue_job_demo", {
    steps: () => [
        {trigger: `${dialog} [name=succeed_count] input`, run: "edit 2"},
        {trigger: `${dialog} button[name=create_jobs]`, run: "click"},
        {trigger: row("Sample 2: succeeds")},
    ],
});

function checkWidth(what) {
    const {scrollWidth, clientWidth} = document.documentElement;
    if (scrollWidth > clientWidth) {
        throw new Error(`${what} is wider than the phone`);
    }
}

const SCREENS = [
    "job",
    "job_failure_group",
    "job_stat",
    "job_channel",
    "job_function",
    "job_runner",
    "job_subscription",
    "job_dashboard",
];

tours.add("queue_job_phone", {
    steps: () => [
        {trigger: ".o_queue_job_dashboard canvas"},
        {trigger: "button[data-period=week]", run: "click"},
        {trigger: ".o_queue_job_tile[data-name=failed]", run: "click"},
        {trigger: ".o_kanban_record:contains(Tour fails 1)", run: "click"},
        {
            trigger: ".o_form_view .o_queue_job_timeline",
            run: () => checkWidth("the form"),
        },
        {trigger: breadcrumb, run: "click"},
        {
            trigger: ".o_kanban_record:contains(Tour fails 2)",
            async run() {
                const {action} = odoo.__WOWL_DEBUG__.root.env.services;
                for (const name of SCREENS) {
                    await action.doAction(`queue_job.action_queue_${name}`);
                    checkWidth(name);
                }
            },
        },
        {trigger: ".o_queue_job_dashboard canvas"},
    ],
});
