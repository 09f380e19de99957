/**
 * Reads anew what a view shows, without ever getting in the way of its user: what was
 * read is thrown away when he has searched, selected or begun to edit meanwhile.
 */

/** Nothing is taken away under the hands of somebody who edits or selects. */
function isIdle(model) {
    const {root} = model;
    return (
        model.isReady &&
        !model.useSampleModel &&
        !root.editedRecord &&
        !root.isDomainSelected &&
        !root.selection?.length &&
        !document.activeElement?.matches(".o_queue_job_number")
    );
}

/** Whether a list or cards may be read anew now. */
export function mayReload(model) {
    return isIdle(model) && !model.mutex._queueSize;
}

/** Reads the lines of a list, or cards, that is idle. */
export async function reloadList(model) {
    const {root} = model;
    const config = {...model.config};
    const {loadId} = config;
    const data = await model._loadData(config);
    // What else was loaded since then is newer, and perhaps something else.
    if (model.root === root && model.config.loadId === loadId && mayReload(model)) {
        model.root = model._createRoot(config, data);
        model.config = config;
        await model.hooks.onRootLoaded(model.root);
    }
}

/** Reads the record of a form that nobody edits. */
export async function reloadRecord(model) {
    const {root} = model;
    const {resId} = root;
    await model.mutex.exec(() =>
        model._updateConfig(
            root.config,
            {},
            {
                commit: (values) => {
                    if (!root.dirty && root.resId === resId) {
                        root._setData(values);
                    }
                },
            }
        )
    );
}
