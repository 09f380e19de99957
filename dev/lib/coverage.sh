# Which statements and branches the tests ran, in pytest itself and in all servers and
# workers that it starts: coverage.py starts by itself in every Python of the
# environment that sees COVERAGE_PROCESS_START, so nothing of it is in the add-on.

start_coverage() {
    COVERAGE=$STATE/coverage
    rm -rf "$COVERAGE"
    mkdir "$COVERAGE"
    export COVERAGE_PROCESS_START=$ROOT/pyproject.toml COVERAGE_FILE=$COVERAGE/data
    export PYTHONPATH=$ROOT/dev/coverage_site:$PYTHONPATH
}

# judge_coverage [PART...]: report, and fail below the thresholds of pyproject.toml
judge_coverage() {
    unset COVERAGE_PROCESS_START
    "$PY" "$ROOT/dev/judge_coverage.py" "$@"
}
