#!/bin/sh
# Bring the Debian programs that the tests and benchmarks play with: the other engine, a browser, mail clients, peers.
#
#   tests/setup.sh                 everything that is missing
#   tests/setup.sh python3-venv    that package alone
#
# As root, or where sudo asks no password, by apt. Otherwise it lists what is missing and goes on: the tests that need it
# are skipped and say so. Nothing is removed to make room, and no service is started: the tests start their own.
set -eu

# what proves that it is there | the package that brings it
wanted() {
    cat <<'LIST'
/usr/lib/postgresql/*/bin/initdb|postgresql
redis-server|redis-server
chromium|chromium
chromium-headless-shell|chromium-headless-shell
/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf|fonts-dejavu-core
mbsync|isync
neomutt|neomutt
offlineimap|offlineimap3
postfix|postfix
/usr/lib/dovecot/imap|dovecot-imapd
/usr/lib/dovecot/lmtp|dovecot-lmtpd
swaks|swaks
/usr/lib/*/perl5/*/Net/SSLeay.pm|libnet-ssleay-perl
clamd|clamav-daemon
openssl|openssl
calcurse|calcurse
npm|npm
LIST
}

present() {
    case $1 in
    /*) for path in $1; do [ -e "$path" ] && return 0; done; return 1 ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 ;;
    esac
}

if [ $# -gt 0 ]; then
    missing="$*"
else
    missing=$(wanted | while IFS='|' read -r proof package; do present "$proof" || printf '%s ' "$package"; done)
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=env
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo env"
else
    as_root=
fi
if [ -z "$as_root" ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing Debian packages, and neither root nor sudo to install them:" >&2
    echo "    apt-get install --no-install-recommends $missing" >&2
    exit 0
fi

echo "Installing Debian packages: $missing"
# A package's own start script is answered "not here", so that no PostgreSQL, Redis or Postfix is left running.
# The answer is taken away again at the end, and one that was there before is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$as_root rm -f $policy' EXIT INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
fi
# Postfix asks what it shall be; "No configuration" leaves the machine's mail as it was.
if command -v debconf-set-selections >/dev/null 2>&1; then
    echo "postfix postfix/main_mailer_type select No configuration" | $as_root debconf-set-selections
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # the list is meant to be split
$as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove $missing </dev/null >/dev/null
