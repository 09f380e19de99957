# The checkout as odoo.addons.queue_job, whatever the name of its folder: `odoo` and
# `odoo.addons` are namespace packages, so a folder on Python's path that holds
# odoo/addons/queue_job is found by Python and by the server alike.

# Entries of the top level that are no part of the add-on.
NOT_ADDON="dev benchmark build dist node_modules pyproject.toml"

# Sets ADDONS and PYTHONPATH, makes the generated add-ons folder and the script `odoo`.
ensure_addons() {
    local home
    ADDONS=$STATE/addons
    home=$ADDONS/odoo/addons
    mkdir -p "$home/$ADDON"
    link_entries "$home/$ADDON"
    link_test_addons "$home"
    find "$home" "$home/$ADDON" -maxdepth 1 -xtype l -delete
    # A script, since `python -m odoo` breaks what executes sys.argv[0] again: the
    # gevent process of --workers and the restart of --dev=reload.
    ODOO_BIN=$STATE/odoo
    printf 'import odoo.cli\n\nif __name__ == "__main__":\n    odoo.cli.main()\n' >"$ODOO_BIN.new"
    mv "$ODOO_BIN.new" "$ODOO_BIN"
    export PYTHONPATH=$ADDONS${ODOO_DIST:+:$ODOO_DIST}
}

# One link per entry: a single link to the root would lead back to itself, as the
# state lies below the root (Odoo's export of translations would follow it).
link_entries() {
    local entry name
    for entry in "$ROOT"/*; do
        name=${entry##*/}
        case " $NOT_ADDON " in *" $name "*) continue ;; esac
        link "$entry" "$1/$name"
    done
}

# Add-ons that only the tests and the demo use; no part of the package.
link_test_addons() {
    local manifest
    for manifest in "$ROOT"/dev/addons/*/__manifest__.py; do
        [ -f "$manifest" ] || continue
        manifest=${manifest%/*}
        link "$manifest" "$1/${manifest##*/}"
    done
}

link() { [ "$(readlink "$2" 2>/dev/null)" = "$1" ] || ln -sfn "$1" "$2"; }

has_test_addon() { [ -f "$ROOT/dev/addons/$1/__manifest__.py" ]; }
