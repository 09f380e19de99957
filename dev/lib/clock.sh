# Another clock than the machine's, for the processes that a command starts: a test must
# not depend on the hour, and no code on the date.

# Sets FAKETIME_LIB.
ensure_faketime() {
    FAKETIME_LIB=$(faketime_library)
    [ -n "$FAKETIME_LIB" ] || ensure_packages "tests need a clock of their own" libfaketime
    FAKETIME_LIB=$(faketime_library)
    [ -n "$FAKETIME_LIB" ] \
        || die "libfaketime was installed, but there is no libfaketime.so.1 in /usr/lib"
}

faketime_library() {
    local file
    for file in /usr/lib/*/faketime/libfaketime.so.1 /usr/lib/faketime/libfaketime.so.1; do
        [ ! -f "$file" ] || { echo "$file" && return; }
    done
}

# set_clock MOMENT: from now on it is that moment for whatever is started, and time goes
# on from there. A database server that runs already has the other clock, so the state
# of such a run is a folder of its own.
set_clock() {
    local target offset
    target=$(date -u -d "$1" +%s 2>/dev/null) || die "--clock=$1 is no moment that date(1) reads"
    ensure_faketime
    STATE=$STATE/clock
    mkdir -p "$STATE"
    offset=$((target - $(date +%s)))
    say "the clock is set to $(date -u -d "@$target" '+%F %T') UTC"
    # Not the clock of sleeps and time-outs.
    export FAKETIME_DONT_FAKE_MONOTONIC=1
    export FAKETIME=$(printf '%+d' "$offset") LD_PRELOAD=$FAKETIME_LIB
}
