# A database for one run of tests, and what the tests are told of the set-up.

# Add-ons that are installed in the test database besides the one that is tested.
TEST_ADDONS=${TEST_ADDONS-$(! has_test_addon test_queue_job || echo test_queue_job)}

ensure_test_db() {
    take_test_db
    with_lock "$STATE/db.lock" "makes databases in $STATE" make_test_db
    export QUEUE_JOB_TEST_PYTHON=$PY QUEUE_JOB_TEST_ODOO_BIN=$ODOO_BIN \
        QUEUE_JOB_TEST_CONF=$STATE/$TEST_CONF.conf QUEUE_JOB_TEST_STATE=$STATE \
        QUEUE_JOB_TEST_DB=$TEST_DB QUEUE_JOB_TEST_TEMPLATE=$READY \
        QUEUE_JOB_TEST_ADDONS=$TEST_ADDONS QUEUE_JOB_TEST_CACHE=$CACHE \
        QUEUE_JOB_TEST_BASE=$BASE QUEUE_JOB_TEST_FAKETIME=$(faketime_library)
    export HYPOTHESIS_STORAGE_DIRECTORY=$STATE/hypothesis
    unset ODOO_HTTP_PORT ODOO_GEVENT_PORT ODOO_HTTP_INTERFACE
}

# Sets TEST_DB and TEST_CONF, locked for as long as the tests run: two runs at a time
# in one checkout take two databases.
take_test_db() {
    local slot='' base
    base=${QUEUE_JOB_TEST_DB:-$(db_prefix)_test}
    while :; do
        TEST_DB=$base$slot TEST_CONF=test$slot
        exec 6>"$STATE/$TEST_DB.lock"
        ! flock -n 6 || return 0
        slot=$((${slot:-1} + 1))
    done
}

make_test_db() {
    local left
    ensure_ready "$ADDON $TEST_ADDONS"
    # What a killed run left: tests name databases of their own <test database>_<name>.
    for left in $(sql -c "select datname from pg_database where starts_with(datname, '${TEST_DB}_')"); do
        drop_db "$left"
    done
    STEP_AT=$EPOCHREALTIME
    copy_db "$READY" "$TEST_DB"
    conf "$TEST_CONF" "$TEST_DB"
    lap "database $TEST_DB is ready"
}
