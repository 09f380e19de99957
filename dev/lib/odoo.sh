# An Odoo 19: the one that ODOO_PYTHON or ODOO_PATH names, else Debian's package,
# unpacked in the cache (no root needed, the machine's own packages stay as they are).

# Targets of symbolic links in Odoo's package that the web client needs; from
# bookworm, since sid's fonts-font-awesome 7 has not the files of 4.7.
DEBS_BOOKWORM="fonts-font-awesome libjs-jquery libjs-jquery-form libjs-underscore
    fonts-roboto-unhinted fonts-inconsolata fonts-ocr-b"
DEBS_SID="odoo-19 fonts-montserrat"
UNPACK_VERSION=1

is_odoo19() {
    [ -f "$1/odoo/release.py" ] && grep -q '^version_info = (19, 0' "$1/odoo/release.py"
}

# Sets ODOO_DIST, the folder for Python's path: empty when it is importable as it is.
ensure_odoo() {
    ODOO_DIST=
    if [ -n "${ODOO_PYTHON:-}" ]; then
        check_odoo_python
    elif [ -n "${ODOO_PATH:-}" ]; then
        is_odoo19 "$ODOO_PATH" \
            || die "ODOO_PATH=$ODOO_PATH has no Odoo 19.0: name the folder that has odoo/release.py in it"
        ODOO_DIST=$(cd "$ODOO_PATH" && pwd -P)
        case $ODOO_DIST in *-packages) link_odoo_alone ;; esac
    else
        ensure_unpacked_odoo
    fi
}

check_odoo_python() {
    local missing
    missing=$("$ODOO_PYTHON" - <<'P'
from importlib.util import find_spec
print(*(m for m in ("odoo", "pytest", "pytest_odoo", "hypothesis") if not find_spec(m)))
P
    ) || die "ODOO_PYTHON=$ODOO_PYTHON does not run"
    [ -z "$missing" ] \
        || die "ODOO_PYTHON=$ODOO_PYTHON has no $missing: give an Odoo with ODOO_PATH instead, or run: $ODOO_PYTHON -m pip install -r $ROOT/dev/requirements.txt"
}

# The machine's other Python packages must not hide those of the environment.
link_odoo_alone() {
    mkdir -p "$STATE/odoo-path"
    ln -sfn "$ODOO_DIST/odoo" "$STATE/odoo-path/odoo"
    ODOO_DIST=$STATE/odoo-path
}

ensure_unpacked_odoo() {
    local place=$CACHE/odoo-19
    ODOO_DIST=$place/usr/lib/python3/dist-packages
    [ "$(cat "$place/.complete" 2>/dev/null)" != $UNPACK_VERSION ] || return 0
    [ -d "$CACHE/apt/debs" ] || fetch_debs
    step "unpacking Odoo 19"
    rm -rf "$place.tmp"
    mkdir -p "$place.tmp"
    unpack_debs "$place.tmp" "$CACHE/apt/debs"
    stub_missing_assets "$place.tmp/usr/lib/python3/dist-packages/odoo/addons"
    is_odoo19 "$place.tmp/usr/lib/python3/dist-packages" \
        || die "the packages in $CACHE/apt/debs hold no Odoo 19.0: remove that folder and try again"
    rm -rf "$place"
    mv "$place.tmp" "$place"
    echo $UNPACK_VERSION >"$place/.complete"
    lap "unpacked Odoo 19 in $place"
}

unpack_debs() { # unpack_debs TARGET FOLDER
    local deb
    for deb in "$2"/*.deb; do
        # dist-packages/addons is a second, incomplete copy of odoo/addons
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$1" --no-same-owner \
            --exclude='./usr/lib/python3/dist-packages/addons' \
            --exclude='./usr/lib/python3/dist-packages/doc' \
            --exclude='./usr/lib/python3/dist-packages/setup' \
            --exclude='./usr/share/doc' --exclude='*/i18n/*.po' \
            || die "cannot unpack $deb: remove $2 and try again"
    done
}

# Debian leaves this file out (it comes without source), yet mail's manifest names
# it: an error in the backend's assets. Only the camera blur of calls uses it.
stub_missing_assets() {
    local file=$1/mail/static/lib/selfie_segmentation/selfie_segmentation.js
    [ ! -e "$file" ] || return 0
    mkdir -p "${file%/*}"
    echo '/* not in the Debian package */' >"$file"
}

fetch_debs() {
    local dir=$CACHE/apt mirror
    mirror=${QUEUE_JOB_DEBIAN_MIRROR:-$(debian_mirror)}
    local way_out="check the network, or set QUEUE_JOB_DEBIAN_MIRROR to a mirror that you reach, or ODOO_PATH to an Odoo 19 that you have"
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null \
        || die "no apt-get here to fetch Odoo 19 with: set ODOO_PATH to an Odoo 19 that you have"
    [ -n "$mirror" ] \
        || die "apt knows no Debian mirror here: set QUEUE_JOB_DEBIAN_MIRROR, or ODOO_PATH to an Odoo 19 that you have"
    step "downloading Odoo 19 and what its web client needs (about 130 MB)"
    private_apt_conf "$dir" "$mirror"
    rm -rf "$dir/debs.tmp"
    mkdir -p "$dir/debs.tmp"
    apt-get -q -c "$dir/apt.conf" update >"$dir/log" 2>&1 \
        || die "cannot download Odoo 19 from $mirror: $(last_line "$dir/log" '^[EW]:.*(Failed|http)'); $way_out"
    # shellcheck disable=SC2046,SC2086
    (cd "$dir/debs.tmp" && apt-get -q -c "$dir/apt.conf" download \
        $(printf '%s/sid ' $DEBS_SID) $(printf '%s/bookworm ' $DEBS_BOOKWORM)) >"$dir/log" 2>&1 \
        || die "cannot download Odoo 19 from $mirror: $(last_line "$dir/log" '^E:'); $way_out"
    rm -rf "$dir/debs"
    mv "$dir/debs.tmp" "$dir/debs"
    lap "downloaded $(du -ch "$dir/debs"/*.deb | tail -n 1 | cut -f1) of Debian packages"
}

debian_mirror() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI)|$(LABEL)' 'Created-By: Packages' 2>/dev/null \
        | awk -F'|' '$2 == "Debian" || $1 ~ /\/debian\/?$/ { print $1; exit }' || true
}

# Lists and cache of our own, beside the machine's. Given with -c, which apt reads
# last (a file in APT_CONFIG would be read first, and the machine's would win).
private_apt_conf() { # private_apt_conf FOLDER MIRROR
    local dir=$1 suite key=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -f $key ] || ensure_packages "Debian's signing keys are missing" debian-archive-keyring
    mkdir -p "$dir"/lists/partial "$dir"/cache/archives/partial
    for suite in bookworm sid; do
        echo "deb [signed-by=$key] $2 $suite main"
    done >"$dir/sources.list"
    cat >"$dir/apt.conf" <<A
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$dir";
Dir::State::lists "$dir/lists";
Dir::State::status "/dev/null";
Dir::Cache "$dir/cache";
Dir::Log "$dir";
APT::Sandbox::User "$(id -un)";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
A
}
