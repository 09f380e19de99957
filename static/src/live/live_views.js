import {registry} from "@web/core/registry";
import {FormController} from "@web/views/form/form_controller";
import {formView} from "@web/views/form/form_view";
import {KanbanController} from "@web/views/kanban/kanban_controller";
import {kanbanView} from "@web/views/kanban/kanban_view";
import {ListController} from "@web/views/list/list_controller";
import {listView} from "@web/views/list/list_view";
import {useLive} from "./live_hook";
import {mayReload, reloadList, reloadRecord} from "./live_reload";

export class LiveListController extends ListController {
    setup() {
        super.setup();
        useLive(
            () => reloadList(this.model),
            () => mayReload(this.model)
        );
    }
}

/**
 * What is done to all jobs that match is done by the server to all of them, and not to
 * the first thousands that a browser can name.
 */
export class JobListController extends LiveListController {
    get actionMenuProps() {
        const props = super.actionMenuProps;
        return {
            ...props,
            context: {
                ...props.context,
                queue_job_all: this.model.root.isDomainSelected,
            },
        };
    }

    async beforeExecuteActionButton(clickParams) {
        clickParams.buttonContext = {
            ...clickParams.buttonContext,
            queue_job_all: this.model.root.isDomainSelected,
        };
        return super.beforeExecuteActionButton(clickParams);
    }
}

export class LiveKanbanController extends KanbanController {
    setup() {
        super.setup();
        useLive(
            () => reloadList(this.model),
            () => mayReload(this.model)
        );
    }
}

export class LiveFormController extends FormController {
    setup() {
        super.setup();
        useLive(
            () => reloadRecord(this.model),
            async () => this.model.root.resId && !(await this.model.root.isDirty())
        );
    }
}

const views = registry.category("views");
views.add("queue_job_list", {...listView, Controller: JobListController});
views.add("queue_job_live_list", {...listView, Controller: LiveListController});
views.add("queue_job_kanban", {...kanbanView, Controller: LiveKanbanController});
views.add("queue_job_form", {...formView, Controller: LiveFormController});
