# Programs of the machine that the scripts need (PostgreSQL, a browser, venv).

APT_UPDATED=

# ensure_packages WHY PACKAGE...: installed when root, else the one command is said
ensure_packages() {
    local why=$1 log=$STATE/packages.log
    shift
    local command="apt-get install -y --no-install-recommends $*"
    command -v apt-get >/dev/null \
        || die "$why: install it with this machine's package manager (Debian: $*)"
    [ "$(id -u)" = 0 ] || die "$why: sudo $command"
    step "$why: $command"
    # An index that cannot be refreshed may still be good enough to install from.
    (
        export DEBIAN_FRONTEND=noninteractive
        [ -n "$APT_UPDATED" ] || apt-get -q update || true
        apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
    ) >"$log" 2>&1 </dev/null 7>&- \
        || die "$why, and '$command' failed: $(last_line "$log" '^E:') (log: $log)"
    APT_UPDATED=1
    lap "installed $*"
}

# The places where Odoo's tests look for a browser.
has_browser() {
    local name
    for name in google-chrome chromium chromium-browser google-chrome-stable; do
        ! command -v $name >/dev/null || return 0
    done
    return 1
}

# A browser test without a browser is skipped, so ask for one before.
ensure_browser() {
    has_browser || ensure_packages "browser tests need Chromium" chromium
}

# One of the tests puts a pooler between Odoo and PostgreSQL.
ensure_pooler() {
    command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] \
        || ensure_packages "a test needs PgBouncer" pgbouncer
}

# Some of them cut the network between a server and PostgreSQL.
ensure_namespaces() {
    command -v ip >/dev/null || [ -x /usr/sbin/ip ] \
        || ensure_packages "a test needs network namespaces" iproute2
}
