# What the scripts say, and how they fail: progress and timing on standard error,
# one line for an error, with the way out.

if [ -t 2 ]; then BOLD=$'\033[1m' PLAIN=$'\033[0m'; else BOLD='' PLAIN=''; fi
STEP_AT=$EPOCHREALTIME

say() { printf '%s>> %s%s\n' "$BOLD" "$*" "$PLAIN" >&2; }

die() {
    trap - ERR
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# step TEXT: what begins now; lap TEXT: what is done, with the time it took
step() {
    STEP_AT=$EPOCHREALTIME
    say "$*"
}
lap() {
    local took=$((${EPOCHREALTIME/./} - ${STEP_AT/./}))
    say "$(printf '[%3d.%d s] %s' $((took / 1000000)) $((took / 100000 % 10)) "$*")"
    STEP_AT=$EPOCHREALTIME
}

# with_lock FILE WHAT COMMAND...: one at a time on this machine. The lock goes with
# the last process that has the file open, so a killed script leaves none behind.
with_lock() {
    local file=$1 what=$2
    shift 2
    exec 7>"$file"
    flock -w 1 7 || {
        say "waiting for another command that $what"
        flock 7
    }
    "$@"
    exec 7>&-
}

# last_line FILE PATTERN: the last line that matches, else the last line
last_line() {
    { grep -E "$2" "$1" || cat "$1"; } 2>/dev/null | tail -n 1 | cut -c1-200
}

trap 'die "${BASH_SOURCE[0]##*/}:$LINENO: \"$BASH_COMMAND\" failed"' ERR
