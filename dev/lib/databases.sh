# Configurations and databases. Making a database from nothing takes half a minute,
# most of it for Odoo's own modules, so there are two kinds of templates:
#   <prefix>base_<key>    the add-on's dependencies; key: Odoo, Python, options
#   <prefix>ready_<key>   the add-on in it; key: that of the base, the add-on's files
# A template appears under its name only when it is whole.

# conf NAME DATABASE [LINE...]: writes $STATE/NAME.conf
conf() {
    local file=$STATE/$1.conf db=$2
    shift 2
    {
        echo "[options]"
        [ -z "${PGHOST:-}" ] || echo "db_host = $PGHOST"
        [ -z "${PGPORT:-}" ] || echo "db_port = $PGPORT"
        [ -z "${PGUSER:-}" ] || echo "db_user = $PGUSER"
        echo "db_name = $db"
        echo "dbfilter = ^$db\$"
        echo "list_db = False"
        echo "data_dir = $STATE/data"
        echo "server_wide_modules = base,rpc,web,$ADDON"
        [ $# = 0 ] || printf '%s\n' "$@"
    } >"$file.$$"
    mv "$file.$$" "$file"
}

odoo() { "$PY" "$ODOO_BIN" "$@" 7>&- </dev/null; }
sql() { psql -XAtq -v ON_ERROR_STOP=1 -d "${DB:-postgres}" "$@"; }
has_db() { [ -n "$(sql -c "select 1 from pg_database where datname = '$1'")" ]; }

drop_db() {
    dropdb --if-exists --force "$1" 2>/dev/null || dropdb --if-exists "$1"
    rm -rf "$STATE/data/filestore/$1"
}

rename_db() {
    local store=$STATE/data/filestore
    rm -rf "${store:?}/$2"
    [ ! -d "$store/$1" ] || mv "$store/$1" "$store/$2"
    sql -c "alter database \"$1\" rename to \"$2\""
}

# A template must have no connection when it is copied, so nobody gets one: Odoo does
# not even list it.
keep_as_template() {
    sql -c "alter database \"$1\" allow_connections false"
    rename_db "$1" "$2"
}

copy_db() {
    local store=$STATE/data/filestore
    drop_db "$2"
    createdb -T "$1" "$2"
    [ ! -d "$store/$1" ] || cp -al "$store/$1" "$store/$2"
}

# On a server of one's own, checkouts must not take each other's databases.
db_prefix() {
    case ${PGHOST:-} in
        /tmp/."$ADDON"-*) echo "$ADDON" ;;
        *) echo "${ADDON}_$(printf %s "$STATE" | sha256sum | cut -c1-6)" ;;
    esac
}

# One run of Odoo that changes a database and ends; only its warnings are shown.
make_with_odoo() {
    odoo server -c "$STATE/make.conf" --no-http --stop-after-init --workers=0 \
        --max-cron-threads=0 --log-level=warn "$@" \
        2> >(sed "/^Running as user 'root'/d" >&2)
}

# install DATABASE MODULES [options]: with the modules' dependencies; checked, since
# Odoo only warns of a module that it does not find.
install() {
    local db=$1 modules=$2 missing
    shift 2
    make_with_odoo -d "$db" -i "$modules" "$@" || die "Odoo could not install $modules (see above)"
    missing=$(not_installed "$db" "$modules")
    [ -z "$missing" ] || die "Odoo did not install $missing (see above)"
}

not_installed() { # not_installed DATABASE MODULES: those of them, with commas
    DB=$1 sql -c "select string_agg(m, ',') from unnest(string_to_array('$2', ',')) m
        where m not in (select name from ir_module_module where state = 'installed')"
}

# The files that a database with the add-ons depends on: "NAME HASH" lines.
addon_files() {
    local name
    for name in "$@"; do
        find -L "$ADDONS/odoo/addons/$name" \
            \( -name tests -o -name static -o -name doc -o -name __pycache__ \) -prune \
            -o -type f \( -name '*.py' -o -name '*.xml' -o -name '*.csv' -o -name '*.sql' \) -print0
    done | sort -z | xargs -0 sha256sum
}

odoo_files() {
    local places=("$ODOO_DIST/odoo")
    [ -n "$ODOO_DIST" ] || places=("$("$PY" -c 'import odoo.release as r; print(r.__file__[:-11])')")
    # Odoo's source keeps most of its modules beside the package.
    [ ! -d "$ODOO_DIST/addons" ] || places+=("$ODOO_DIST/addons")
    find -H "${places[@]}" -type f \( -name '*.py' -o -name '*.xml' -o -name '*.csv' \) \
        -printf '%P %s %T@\n' | sort
}

hash_of() { sha256sum | cut -c1-10; }

manifest_depends() { # manifest_depends ADDON...: what they need of Odoo's own modules
    "$PY" - "$ADDONS/odoo/addons" "$@" <<'P'
import ast, pathlib, sys
home, own = pathlib.Path(sys.argv[1]), sys.argv[2:]
needed = {
    name
    for addon in own
    for name in ast.literal_eval((home / addon / "__manifest__.py").read_text())["depends"]
}
print(",".join(sorted(n for n in needed if not (home / n).exists())) or "base")
P
}

# Sets BASE: the template with Odoo's modules that the add-ons given need.
ensure_base() { # ensure_base "ADDON..." [options]
    local depends key
    # shellcheck disable=SC2086
    depends=$(manifest_depends $1)
    shift
    key=$({ echo "1 $depends $*" && "$PY" -VV && odoo_files; } | hash_of)
    BASE=$(db_prefix)_base_$key
    ! has_db "$BASE" || return 0
    step "making a template database with $depends (some 20 seconds, once)"
    conf make "$BASE.new"
    drop_db "$BASE.new"
    # Warnings of Odoo's own modules are not ours to show.
    (install "$BASE.new" "$depends" --load=base,rpc,web "$@") 2>"$STATE/make.log" || {
        cat "$STATE/make.log" >&2
        exit 1
    }
    keep_as_template "$BASE.new" "$BASE"
    drop_old_templates base 4
    lap "made $BASE"
}

# Sets READY: the template with the add-ons, to be copied for every use.
ensure_ready() { # ensure_ready "ADDON..." [options]
    local addons=${1% } key
    ensure_base "$@"
    shift
    # shellcheck disable=SC2086
    key=$({ echo "$BASE $addons $*" && addon_files $addons; } | hash_of)
    READY=$(db_prefix)_ready_$key
    ! has_db "$READY" || return 0
    step "installing $addons in a database"
    conf make "$READY.new"
    copy_db "$BASE" "$READY.new"
    install "$READY.new" "${addons// /,}" "$@"
    keep_as_template "$READY.new" "$READY"
    drop_old_templates ready 4
    lap "made $READY"
}

# drop_old_templates KIND COUNT: all but the newest ones (a run that is still under
# way may use one that is not the newest)
drop_old_templates() {
    local name
    for name in $(sql -c "select datname from pg_database
        where datname ~ '^$(db_prefix)_$1_[0-9a-f]+\$' order by oid desc offset $2"); do
        drop_db "$name"
    done
}
