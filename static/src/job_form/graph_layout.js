/**
 * A picture of a graph of jobs, in layers from left to right: each job stands one layer
 * further right than the last of those it waits for. A thousand jobs take some
 * hundredths of a second.
 */

export const NODE = {width: 190, height: 30};
const GAP = {across: 70, down: 10};
const SWEEPS = 6;

/**
 * @param {[number, string, string][]} jobs id, name, state
 * @param {[number, number[], number[]][]} barriers id, jobs before it, jobs behind it
 * @returns {{nodes: Object[], knots: Object[], path: string, width: number, height: number}}
 */
export function layOut(jobs, barriers) {
    const vertices = new Map();
    for (const [id] of jobs) {
        vertices.set(id, vertex(id, false));
    }
    for (const [id, before, behind] of barriers) {
        join(vertices, id, before, behind);
    }
    const layers = inLayers(vertices);
    sortLayers(layers);
    const height = place(layers);
    return {
        nodes: jobs.map(([id, name, state]) => {
            const {x, y} = vertices.get(id);
            return {id, name, state, x, y};
        }),
        knots: [...vertices.values()].filter((each) => each.isBarrier),
        path: edgePath(vertices),
        width: layers.length * (NODE.width + GAP.across) - GAP.across + 4,
        height,
    };
}

function vertex(id, isBarrier) {
    return {id, isBarrier, before: [], behind: [], layer: 0, x: 0, y: 0, order: 0};
}

function connect(from, to) {
    from.behind.push(to);
    to.before.push(from);
}

/** A barrier is drawn only where it saves lines: between groups. */
function join(vertices, id, before, behind) {
    const sources = before.map((each) => vertices.get(each)).filter(Boolean);
    const targets = behind.map((each) => vertices.get(each)).filter(Boolean);
    if (sources.length < 2 || targets.length < 2) {
        for (const source of sources) {
            for (const target of targets) {
                connect(source, target);
            }
        }
        return;
    }
    const barrier = vertex(`barrier_${id}`, true);
    vertices.set(barrier.id, barrier);
    for (const source of sources) {
        connect(source, barrier);
    }
    for (const target of targets) {
        connect(barrier, target);
    }
}

/** Barriers take no layer of their own: they stand in the gap before a layer. */
function inLayers(vertices) {
    const open = new Map();
    const ready = [];
    for (const each of vertices.values()) {
        open.set(each, each.before.length);
        if (!each.before.length) {
            ready.push(each);
        }
    }
    const layers = [];
    for (let i = 0; i < ready.length; i++) {
        const each = ready[i];
        if (!each.isBarrier) {
            (layers[each.layer] ||= []).push(each);
        }
        for (const next of each.behind) {
            next.layer = Math.max(next.layer, each.layer + (each.isBarrier ? 0 : 1));
            open.set(next, open.get(next) - 1);
            if (!open.get(next)) {
                ready.push(next);
            }
        }
    }
    return layers;
}

/** Jobs are put where those before, or behind, them are: fewer lines cross. */
function sortLayers(layers) {
    const mean = (list) => {
        let sum = 0;
        let count = 0;
        for (const each of list) {
            sum += each.order;
            count++;
        }
        return count ? sum / count : -1;
    };
    const number = (layer) => {
        layer.forEach((each, index) => {
            each.order = (index + 0.5) / layer.length;
        });
    };
    layers.forEach(number);
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
        const forth = sweep % 2 === 0;
        for (const layer of forth ? layers : [...layers].reverse()) {
            const weights = new Map();
            for (const each of layer) {
                const others = forth ? each.before : each.behind;
                for (const other of others) {
                    if (other.isBarrier) {
                        other.order = mean(forth ? other.before : other.behind);
                    }
                }
                const weight = mean(others);
                weights.set(each, weight < 0 ? each.order : weight);
            }
            layer.sort((a, b) => weights.get(a) - weights.get(b) || a.order - b.order);
            number(layer);
        }
    }
}

function place(layers) {
    const step = NODE.height + GAP.down;
    const most = Math.max(1, ...layers.map((layer) => layer.length));
    const barriers = new Set();
    layers.forEach((layer, column) => {
        const top = ((most - layer.length) * step) / 2 + 2;
        layer.forEach((each, row) => {
            each.x = column * (NODE.width + GAP.across) + 2;
            each.y = top + row * step;
            for (const other of each.before) {
                if (other.isBarrier) {
                    barriers.add(other);
                }
            }
        });
    });
    for (const barrier of barriers) {
        const ends = [...barrier.before, ...barrier.behind].filter((v) => !v.isBarrier);
        const middle = ends.reduce((sum, each) => sum + each.y, 0) / ends.length;
        barrier.x = barrier.layer * (NODE.width + GAP.across) - GAP.across / 2 + 2;
        barrier.y = middle + NODE.height / 2;
    }
    return most * step + 4;
}

/** All lines in one path: one element, however many there are. */
function edgePath(vertices) {
    const parts = [];
    for (const from of vertices.values()) {
        const x1 = from.isBarrier ? from.x : from.x + NODE.width;
        const y1 = from.isBarrier ? from.y : from.y + NODE.height / 2;
        for (const to of from.behind) {
            const x2 = to.x;
            const y2 = to.isBarrier ? to.y : to.y + NODE.height / 2;
            const bend = Math.max(12, (x2 - x1) / 2);
            parts.push(
                `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
            );
        }
    }
    return parts.join("");
}
