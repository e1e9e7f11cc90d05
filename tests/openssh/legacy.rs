//! sshd as old distributions have it, by the algorithms they offer.

use std::sync::Arc;

use super::ground::{Ground, login};

/// OpenSSH 7.4.
const CENTOS_7: &str = "\
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha256,diffie-hellman-group14-sha1,diffie-hellman-group1-sha1
Ciphers chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-cbc,aes192-cbc,aes256-cbc,3des-cbc
MACs umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1
HostKeyAlgorithms ssh-rsa,rsa-sha2-512,rsa-sha2-256,ecdsa-sha2-nistp256,ssh-ed25519";

/// OpenSSH 7.2.
const UBUNTU_16_04: &str = "\
KexAlgorithms curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha1
Ciphers chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com
MACs umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1
HostKeyAlgorithms ssh-rsa,rsa-sha2-512,rsa-sha2-256,ecdsa-sha2-nistp256,ssh-ed25519";

/// Nothing that is safe: what an appliance offers.
const SHA1_AND_CBC: &str = "\
KexAlgorithms diffie-hellman-group14-sha1
Ciphers aes128-cbc,aes256-cbc
MACs hmac-sha1
HostKeyAlgorithms ssh-rsa
PubkeyAcceptedAlgorithms ssh-rsa,ssh-ed25519";

pub(crate) async fn centos_7_and_ubuntu_16_04_work_by_default(g: Arc<Ground>) {
    for (name, config) in [("centos7", CENTOS_7), ("ubuntu1604", UBUNTU_16_04)] {
        let sshd = g.another(name, config);
        for key in ["id", "id_rsa"] {
            let mut host = g.host_on(&sshd, "cf-free");
            host.ssh.identity = vec![g.path(key)];
            let result = g.once(host, login(&["true"])).await;
            assert!(result.is_ok(), "{name} {key}: {result:?}");
        }
        let known = format!("[127.*]:* {}\n", g.public("host_rsa"));
        std::fs::write(g.path("known_rsa"), known).expect("written");
        let mut host = g.host_on(&sshd, "cf-free");
        host.ssh.known_hosts = vec![g.path("known_rsa")];
        let result = g.once(host, login(&["true"])).await;
        assert!(result.is_ok(), "{name} known by its RSA key: {result:?}");
    }
}

pub(crate) async fn sha1_and_cbc_need_a_word(g: Arc<Ground>) {
    let sshd = g.another("sha1", SHA1_AND_CBC);
    std::fs::write(g.path("known_rsa"), format!("[127.*]:* {}\n", g.public("host_rsa"))).expect("written");
    for key in ["id", "id_rsa"] {
        let mut host = g.host_on(&sshd, "cf-free");
        host.ssh.known_hosts = vec![g.path("known_rsa")];
        host.ssh.identity = vec![g.path(key)];
        let said = g.words(host.clone(), login(&["true"])).await;
        assert!(
            said.contains("offers no kex algorithm that is safe (diffie-hellman-group14-sha1"),
            "{said}"
        );
        assert!(said.contains("`ssh: { legacy-algorithms: true }`"), "{said}");
        host.ssh.legacy_algorithms = true;
        let result = g.once(host, login(&["true"])).await;
        assert!(result.is_ok(), "{key}: {result:?}");
    }
}

/// Each list by itself is named too.
pub(crate) async fn every_old_list_names_the_way_out(g: Arc<Ground>) {
    for (name, line, expected) in [
        (
            "old_cipher",
            "Ciphers aes256-cbc",
            "no cipher algorithm that is safe (aes256-cbc)",
        ),
        (
            "old_mac",
            "Ciphers aes256-ctr\nMACs hmac-sha1",
            "no mac algorithm that is safe (hmac-sha1)",
        ),
        (
            "old_key",
            "HostKeyAlgorithms ssh-rsa",
            "no key algorithm that is safe (ssh-rsa)",
        ),
    ] {
        let sshd = g.another(name, line);
        let mut host = g.host_on(&sshd, "cf-free");
        host.ssh.identity = vec![g.path("id_rsa")];
        let said = g.words(host, login(&["true"])).await;
        assert!(
            said.contains(expected) && said.contains("legacy-algorithms: true"),
            "{name}: {said}"
        );
    }
}

/// A user's RSA key where sshd takes SHA-1 signatures only, though it says otherwise.
pub(crate) async fn an_rsa_key_with_sha1(g: Arc<Ground>) {
    let sshd = g.another("old_user", "PubkeyAcceptedAlgorithms ssh-rsa");
    let mut host = g.host_on(&sshd, "cf-free");
    host.ssh.identity = vec![g.path("id_rsa")];
    let said = g.words(host.clone(), login(&["true"])).await;
    assert!(
        said.contains("refused the login as cf-free (tried: ") && said.contains("id_rsa"),
        "{said}"
    );
    host.ssh.legacy_algorithms = true;
    let result = g.once(host, login(&["true"])).await;
    assert!(result.is_ok(), "{result:?}");
}
