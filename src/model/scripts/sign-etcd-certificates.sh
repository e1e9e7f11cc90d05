
# certfleet:sign-etcd-certificates CERT_DIR DAYS WANTED REQUESTS: signs with etcd's CA, for a host that has not its key.
# WANTED: SUBJECT|USAGES|NAMES of each certificate, with `;` between them, as openssl writes subjects (CN=x,O=y) and names
# (DNS:x,IP:y). REQUESTS and the answer: in that order, with commas between them.
wanted=$3 requests=$4 answer=

case $wanted in *[!A-Za-z0-9.,:=*_@\|\;-]*) die 2 "not what a certificate can be signed for: $wanted" ;; esac
open_authority "$1/etcd/ca" "$2"
while [ -n "$wanted" ]; do
	one=${wanted%%;*} request=${requests%%,*}
	case $wanted in *';'*) wanted=${wanted#*;} ;; *) wanted= ;; esac
	case $requests in *,*) requests=${requests#*,} ;; *) requests= ;; esac
	subject=${one%%|*} one=${one#*|}
	usages=${one%%|*} names=${one#*|}
	case $subject in *CN=?*) ;; *) die 2 "not a subject: $subject" ;; esac
	case $usages in clientAuth | serverAuth,clientAuth) ;; *) die 2 "not what etcd's certificates are for: $usages" ;; esac
	sign "$subject" "$usages" "$names" "$request"
	answer=$answer${answer:+,}$certificate
done
[ -z "$requests" ] || die 2 'more requests than are wanted'
printf 'certificate\t%s\n' "$answer"
exit 0
