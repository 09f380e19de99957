# Virtual environments in the cache, one per Python and set of requirements.

# ensure_venv NAME REQUIREMENTS...: sets VENV; made again when half-made or changed
ensure_venv() {
    local name=$1 key file
    shift
    VENV=
    # One set of pins for all, but for tools that do not get along with the others.
    PINS=dev/constraints-$name.txt
    [ -f "$ROOT/$PINS" ] || PINS=dev/constraints.txt
    [ "$name" != test ] || [ -z "${ODOO_PYTHON:-}" ] || return 0
    find_python
    key=$({
        "$PYTHON" -c 'import sys; print(sys.version, sys.base_prefix)'
        (cd "$ROOT" && cat "$@" "$PINS")
    } | sha256sum | cut -c1-12)
    VENV=$CACHE/venv-$name-$key
    [ ! -f "$VENV/.complete" ] || return 0
    step "making the Python environment '$name' (packages: $*)"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV" >"$CACHE/venv.log" 2>&1 \
        || die "cannot make a virtual environment with $PYTHON: $(last_line "$CACHE/venv.log" Error)"
    local wanted=()
    for file in "$@"; do wanted+=(-r "$ROOT/$file"); done
    pip_install pip setuptools
    pip_install "${wanted[@]}"
    touch "$VENV/.complete"
    lap "made $VENV"
}

pip_install() {
    local log=$VENV/pip.log
    "$VENV/bin/python" -m pip install --no-input --disable-pip-version-check \
        --progress-bar off -c "$ROOT/$PINS" "$@" >>"$log" 2>&1 </dev/null \
        || die "pip cannot install what is needed: $(last_line "$log" '^ERROR:'); check the network or pip's configuration and try again (log: $log)"
}

can_run_odoo() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

# Sets PYTHON to an interpreter that Odoo 19 accepts and that can make environments.
find_python() {
    local candidate found=
    if [ -n "${PYTHON:-}" ]; then
        can_run_odoo "$PYTHON" || die "PYTHON=$PYTHON: Odoo 19 needs Python 3.10 to 3.13"
        found=$PYTHON
    else
        for candidate in python3 python3.{11,12,13,10} /usr/bin/python3; do
            can_run_odoo "$candidate" || continue
            found=${found:-$candidate}
            "$candidate" -c 'import ensurepip, venv' 2>/dev/null || continue
            PYTHON=$candidate
            return 0
        done
    fi
    [ -n "$found" ] \
        || ensure_packages "Odoo 19 needs Python 3.10 to 3.13" python3 python3-venv
    PYTHON=${found:-/usr/bin/python3}
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || {
        ensure_packages "$PYTHON cannot make virtual environments" python3-venv
        can_run_odoo /usr/bin/python3 && PYTHON=/usr/bin/python3
    }
}
