import {_t} from "@web/core/l10n/translation";
import {humanNumber} from "@web/core/utils/numbers";

/** Seconds in a form that is read at a glance. */
export function formatDuration(seconds) {
    if (seconds === null || seconds === undefined) {
        return "–";
    }
    if (seconds < 1) {
        return _t("%s ms", Math.round(seconds * 1000));
    }
    if (seconds < 60) {
        return _t("%s s", seconds < 10 ? seconds.toFixed(1) : Math.round(seconds));
    }
    if (seconds < 3600) {
        return _t("%s min", Math.round(seconds / 60));
    }
    if (seconds < 48 * 3600) {
        return _t("%s h", Math.round(seconds / 360) / 10);
    }
    return _t("%s days", Math.round(seconds / 86400));
}

export function formatNumber(number) {
    if (number < 10000) {
        return Number.isInteger(number)
            ? `${number}`
            : number.toFixed(number < 10 ? 1 : 0);
    }
    return humanNumber(number, {decimals: 1, minDigits: 1});
}
