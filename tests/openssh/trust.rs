//! Whether the host is who it says.

use std::sync::Arc;

use certfleet::remote::RemoteError;

use super::ground::{Ground, login, run};

async fn with_known_hosts(g: &Ground, text: &str) -> Result<(), RemoteError> {
    let file = g.path("known_hosts_case");
    std::fs::write(&file, text).expect("written");
    let mut host = g.host("cf-free");
    host.ssh.known_hosts = vec![file];
    g.once(host, login(&["true"])).await.map(|_| ())
}

pub(crate) async fn known_unknown_changed_revoked(g: Arc<Ground>) {
    let name = format!("[127.0.0.1]:{}", g.port);
    let (right, wrong) = (g.public("host"), g.public("ca"));
    let unknown = with_known_hosts(&g, "").await;
    assert!(
        matches!(unknown, Err(RemoteError::HostKeyUnknown { .. })),
        "{unknown:?}"
    );
    let changed = with_known_hosts(&g, &format!("{name} {wrong}\n")).await;
    assert!(
        matches!(changed, Err(RemoteError::HostKeyChanged { line: 1, .. })),
        "{changed:?}"
    );
    let revoked = with_known_hosts(&g, &format!("{name} {right}\n@revoked * {right}\n")).await;
    assert!(
        matches!(revoked, Err(RemoteError::HostKeyRevoked { line: 2, .. })),
        "{revoked:?}"
    );
    std::fs::write(g.path("hashed"), format!("{name} {right}\n")).expect("written");
    run(
        "ssh-keygen",
        &["-q", "-H", "-f", g.path("hashed").to_str().expect("UTF-8")],
    );
    let hashed = std::fs::read_to_string(g.path("hashed")).expect("hashed");
    assert!(hashed.starts_with("|1|"));
    assert_eq!(with_known_hosts(&g, &hashed).await, Ok(()));
}

pub(crate) async fn key_types_follow_what_is_known(g: Arc<Ground>) {
    let only_rsa = format!("[127.0.0.1]:{} {}\n", g.port, g.public("host_rsa"));
    assert_eq!(with_known_hosts(&g, &only_rsa).await, Ok(()));
}

/// sshd shows its certificate only from the file named in its configuration, so this case starts one more sshd.
pub(crate) async fn host_certificates(g: Arc<Ground>) {
    let text = |name: &str| g.path(name).to_str().expect("UTF-8").to_owned();
    let ca = g.public("ca");
    for (principal, validity, good) in [
        ("127.0.0.1", "-1d:+1d", true),
        ("other", "-1d:+1d", false),
        ("127.0.0.1", "-2d:-1d", false),
    ] {
        run(
            "ssh-keygen",
            &[
                "-q",
                "-s",
                &text("ca"),
                "-I",
                "h",
                "-h",
                "-n",
                principal,
                "-V",
                validity,
                &text("host.pub"),
            ],
        );
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let config = std::fs::read_to_string(g.path("sshd_config")).expect("a config");
        let config = config.replacen(
            &format!("Port {}", g.port),
            &format!("Port {port}\nHostCertificate {}", text("host-cert.pub")),
            1,
        );
        std::fs::write(g.path("sshd_config_cert"), config).expect("written");
        let mut sshd = std::process::Command::new("/usr/sbin/sshd");
        let mut sshd = sshd
            .args(["-D", "-f", &text("sshd_config_cert")])
            .spawn()
            .expect("sshd");
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let file = g.path("known_ca");
        std::fs::write(&file, format!("@cert-authority [127.0.0.1]:{port} {ca}\n")).expect("written");
        let mut host = g.host("cf-free");
        host.ssh.known_hosts = vec![file];
        host.ssh.port = Some(port);
        let result = g.once(host, login(&["true"])).await;
        let _ = sshd.kill();
        let _ = sshd.wait();
        match result {
            Ok(_) => assert!(good, "{principal} {validity}"),
            Err(RemoteError::HostCertificate { .. }) => assert!(!good, "{principal} {validity}"),
            other => panic!("{other:?}"),
        }
    }
}
