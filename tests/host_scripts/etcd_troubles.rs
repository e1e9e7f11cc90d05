//! certfleet:etcd-certificates on hosts that are not as they should be: an old openssl, an intermediate CA, a full disk.

use std::fs;

use crate::etcd_certificates::{CLIENT, CLIENT_SPEC, KEEP, PKI, Pairing, answer, code, x509};
use crate::openssl::openssl;
use crate::tree::{Authority, Tree, files, said, shells};

/// As OpenSSL 1.1.1 and before: a request made from a certificate has that certificate's public key, whatever key signs it, and
/// so cannot be made with another. The rest is done by the openssl of this machine.
const BEFORE_3: &str = r#"PATH=/usr/bin:/bin:/usr/sbin:/sbin
export PATH
case " $* " in
*' -x509toreq '*)
  in= key=; previous=
  for word; do
    case $previous in -in) in=$word ;; -signkey) key=$word ;; esac
    previous=$word
  done
  [ "$(openssl x509 -noout -pubkey -in "$in")" = "$(openssl pkey -pubout -in "$key")" ] || { printf 'key values mismatch\n' >&2; exit 1; }
  ;;
esac
exec openssl "$@""#;

/// As OpenSSL 1.0.1, which does not know the option.
const BEFORE_1_0_2: &str = r#"PATH=/usr/bin:/bin:/usr/sbin:/sbin
export PATH
case " $* " in *' -partial_chain '*) printf 'usage: verify [-verbose] [-CApath path] [-CAfile file] cert1 cert2 ...\n' >&2; exit 1 ;; esac
exec openssl "$@""#;

#[test]
fn before_openssl_3_a_request_still_has_the_key_that_was_made_for_it() {
    for shell in shells() {
        let pairing = Pairing::master();
        let old = pairing.pair(CLIENT);
        pairing.host.stub("openssl", BEFORE_3);
        pairing.reissue(&shell, CLIENT, CLIENT_SPEC);
        let new = pairing.pair(CLIENT);
        assert_ne!(old.key, new.key, "{shell:?}");
        let subject = |pem: &str| x509(pem, &["-subject", "-nameopt", "RFC2253"]);
        assert_eq!(subject(&old.cert), subject(&new.cert), "{shell:?}");
        pairing.assert_clean();
    }
}

#[test]
fn a_ca_may_be_an_intermediate_one_whose_root_is_elsewhere() {
    for shell in shells() {
        let root = Authority::new("root");
        let pairing = Pairing::master_of(root.below("etcd-ca"));
        pairing.reissue(&shell, CLIENT, CLIENT_SPEC);
        pairing.assert_clean();
        // What another one signed is refused as before.
        let request = pairing.request(&shell, CLIENT);
        pairing
            .signer
            .pair(&format!("{PKI}/etcd/ca"), &root.below("etcd-ca").pair);
        let signed = answer("certificate", &pairing.sign(&shell, CLIENT_SPEC, &request));
        let refused = pairing.install(&shell, CLIENT, &signed);
        assert!(refused.last_line().contains("does not pass"), "{}", said(&refused));
    }
}

#[test]
fn an_openssl_that_knows_no_partial_chain_is_asked_without() {
    let pairing = Pairing::master();
    pairing.host.stub("openssl", BEFORE_1_0_2);
    pairing.reissue(&["sh"], CLIENT, CLIENT_SPEC);
    let request = pairing.request(&["sh"], CLIENT);
    pairing
        .signer
        .pair(&format!("{PKI}/etcd/ca"), &Authority::new("etcd-ca").pair);
    let signed = answer("certificate", &pairing.sign(&["sh"], CLIENT_SPEC, &request));
    let refused = pairing.install(&["sh"], CLIENT, &signed);
    assert!(refused.last_line().contains("does not pass"), "{}", said(&refused));
}

/// A disk that is full as soon as something is kept.
fn fill(host: &Tree, full: bool) {
    let refuse = r#"case $3 in */replaced/*)
  head -c 40 "$2" >"$3"
  printf "cp: error writing '%s': No space left on device\n" "$3" >&2
  exit 1 ;;
esac
"#;
    let body = format!("{}exec /bin/cp \"$@\"", if full { refuse } else { "" });
    host.stub("cp", &body);
}

#[test]
fn on_a_full_disk_nothing_is_kept_by_half() {
    let pairing = Pairing::master();
    let old = pairing.pair(CLIENT);
    fill(&pairing.host, true);
    let request = pairing.request(&["sh"], CLIENT);
    let signed = answer("certificate", &pairing.sign(&["sh"], CLIENT_SPEC, &request));
    let refused = pairing.install(&["sh"], CLIENT, &signed);
    assert_eq!(code(&refused), "exit status 1");
    let said = refused.last_line();
    assert!(
        said.contains("cannot keep a copy of") && said.contains("No space left on device"),
        "{said}"
    );
    assert_eq!(files(&pairing.host.path(KEEP)), Vec::<String>::new());
    assert_eq!(pairing.pair(CLIENT).key, old.key);
    pairing.assert_clean();
    // The same run goes on once there is room.
    fill(&pairing.host, false);
    pairing.reissue(&["sh"], CLIENT, CLIENT_SPEC);
    for (end, was) in [("key", &old.key), ("crt", &old.cert)] {
        let kept = pairing.host.path(&format!("{KEEP}{PKI}/{CLIENT}.{end}"));
        assert_eq!(fs::read_to_string(kept).unwrap(), *was, "{end}");
    }
}

#[test]
fn a_failure_is_told_by_its_own_words() {
    for shell in shells() {
        let pairing = Pairing::master();
        let request = pairing.request(&shell, CLIENT);
        let earlier = answer("certificate", &pairing.sign(&shell, CLIENT_SPEC, &request));
        pairing.request(&shell, CLIENT);
        // Old versions tell how they made the key.
        let err = "/run/certfleet/etcd-certificates/err";
        pairing.host.write(err, "e is 65537 (0x10001)\n");
        let refused = pairing.install(&shell, CLIENT, &earlier);
        assert!(refused.last_line().contains("does not belong to the key"));
        assert!(!said(&refused).contains("65537"), "{shell:?}: {}", said(&refused));
    }
}

/// The openssl of the guide's words, so that this file fails where they no longer work.
#[test]
fn the_guides_own_commands_make_a_request_for_the_new_key() {
    let guide = fs::read_to_string("docs/guide/external-ca.md").unwrap();
    let lines = guide.lines().map(|l| l.split('#').next().unwrap_or_default().trim());
    let told: Vec<&str> = lines
        .filter(|l| l.starts_with("openssl") && l.contains(" F."))
        .collect();
    let made: Vec<&str> = told.into_iter().filter(|l| !l.contains("-text")).collect();
    assert_eq!(made.len(), 3, "{made:?}");
    let pairing = Pairing::master();
    pairing.host.stub("openssl", BEFORE_3);
    let (file, bin) = (pairing.host.path(&format!("{PKI}/{CLIENT}")), pairing.host.state("bin"));
    let text = made.join(" && ").replace(" F.", &format!(" {}.", file.display()));
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut run = std::process::Command::new("sh");
    let output = run.args(["-c", &text]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let request = format!("{}.csr", file.display());
    let asked = openssl(&["req", "-noout", "-pubkey", "-in", &request]);
    let key = openssl(&["pkey", "-pubout", "-in", &format!("{}.key.new", file.display())]);
    assert_eq!(asked, key);
}
