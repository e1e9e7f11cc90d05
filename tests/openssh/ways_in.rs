//! Tunnels, jump hosts and `ssh_config`.

use std::sync::Arc;

use certfleet::model::Host;
use certfleet::remote::error::TunnelRefusal;
use certfleet::remote::{RemoteError, Transport};
use tokio::io::AsyncReadExt;

use super::ground::{Ground, copies, failures, login, words};

pub(crate) async fn tunnels(g: Arc<Ground>) {
    let host = g.host("cf-free");
    let (name, fleet) = (host.name.clone(), g.fleet(vec![host]));
    let mut stream = fleet.dial(&name, "127.0.0.1", g.port).await.expect("a tunnel");
    let mut banner = [0; 8];
    stream.read_exact(&mut banner).await.expect("a banner");
    assert_eq!(&banner, b"SSH-2.0-");
    let closed = fleet.dial(&name, "127.0.0.1", 1).await.err();
    let expected = RemoteError::TunnelRefused {
        target: "127.0.0.1:1".to_owned(),
        reason: TunnelRefusal::Closed,
    };
    assert_eq!(closed, Some(expected));
    let host = g.host("cf-none");
    let (name, fleet) = (host.name.clone(), g.fleet(vec![host]));
    let forbidden = fleet.dial(&name, "127.0.0.1", g.port).await.err().expect("refused");
    assert!(words(&forbidden).contains("AllowTcpForwarding yes"), "{forbidden}");
}

/// However many hosts stand behind them, each bastion sees one login; its log is the witness.
pub(crate) async fn one_and_two_jump_hosts(g: Arc<Ground>) {
    let (a, b) = (g.another("bastion_a", ""), g.another("bastion_b", ""));
    let first = format!("cf-free@127.0.0.1:{}", a.port);
    let second = format!("cf-tty@localhost:{}", b.port);
    for (jump, logins) in [(vec![first.clone()], (1, 0)), (vec![first.clone(), second], (2, 1))] {
        let mut host = g.host("cf-pass");
        host.ssh.jump = Some(jump);
        let (hosts, names) = copies(&host, 4);
        let before = g.sshd.logins();
        let failed = failures(&g.fleet(hosts), &names, &login(&["true"])).await;
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(
            (a.logins(), b.logins(), g.sshd.logins() - before),
            (logins.0, logins.1, 4)
        );
    }
    let mut dead = g.host("cf-pass");
    dead.ssh.jump = Some(vec![first]);
    dead.ssh.port = Some(1);
    let said = g.words(dead, login(&["true"])).await;
    assert!(
        said.contains(&format!("the jump host 127.0.0.1:{} cannot connect to it", a.port)),
        "{said}"
    );
    let mut forbidden = g.host("cf-pass");
    forbidden.ssh.jump = Some(vec![format!("cf-none@127.0.0.1:{}", g.port)]);
    let said = g.words(forbidden, login(&["true"])).await;
    assert!(said.contains("AllowTcpForwarding yes"), "{said}");
}

/// A host that leaves everything to this `ssh_config`.
fn configured(g: &Ground, alias: &str, text: &str) -> Host {
    let config = g.path("ssh_config");
    std::fs::write(&config, text).expect("written");
    let mut host = g.host("x");
    alias.clone_into(&mut host.address);
    host.ssh.user = None;
    host.ssh.port = None;
    host.ssh.identity.clear();
    host.ssh.config = Some(config);
    host
}

fn common(g: &Ground) -> String {
    format!(
        "  HostName 127.0.0.1\n  Port {}\n  User cf-free\n  IdentityFile {}\n",
        g.port,
        g.text("id")
    )
}

pub(crate) async fn ssh_config_as_openssh_reads_it(g: Arc<Ground>) {
    let common = common(&g);
    let proxy = "  ProxyCommand bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3'\n";
    let included = g.text("ssh_config_included");
    std::fs::write(&included, format!("Host web-* !web-9\n{common}")).expect("written");
    let cases = [
        ("alias", format!("Host alias\n{common}{proxy}")),
        (
            "alias",
            format!("Match host other\n  User nobody\nHost alias\n{common}"),
        ),
        ("alias", format!("Match originalhost alias exec \"true\"\n{common}")),
        ("web-1", format!("Include {included}\nHost *\n  User nobody\n")),
        (
            "alias",
            format!("Host alias\n  AddressFamily inet6\n  HostName ::1\n{common}"),
        ),
        (
            "alias",
            format!("Host alias\n  ProxyJump hop\n{common}Host hop\n{common}"),
        ),
    ];
    for (alias, text) in cases {
        let result = g.once(configured(&g, alias, &text), login(&["id", "-un"])).await;
        let output = result.unwrap_or_else(|e| panic!("{}\n{text}", words(&e)));
        assert_eq!(output.stdout_text(), "cf-free\n", "{text}");
    }
}

pub(crate) async fn ssh_config_that_cannot_work(g: Arc<Ground>) {
    let common = common(&g);
    for (lines, expected) in [
        (
            "  AddressFamily inet\n  HostName ::1\n",
            "no address of the wanted family",
        ),
        ("  ProxyCommand nc -X %X\n", "the token `%X` is not known"),
        ("  ProxyCommand false\n", "ProxyCommand `false` ended before SSH began"),
        ("  Port many\n", "`Port many`, which is no number"),
        ("  HostName \"open\n", "a quote is left open"),
        ("  ProxyJump a:b:c:d@e:f\n", "Write `jump: user@bastion.example.com:22`"),
    ] {
        let said = g
            .words(
                configured(&g, "alias", &format!("Host alias\n{lines}{common}")),
                login(&["true"]),
            )
            .await;
        assert!(said.contains(expected), "{lines}: {said}");
    }
    let text = format!("Host alias\n  KnownHostsCommand /bin/keys %H\n{common}");
    let mut host = configured(&g, "alias", &text);
    host.ssh.known_hosts.clear();
    let said = g.words(host, login(&["true"])).await;
    assert!(
        said.contains("`KnownHostsCommand /bin/keys`") && said.contains("known-hosts: FILE"),
        "{said}"
    );
}

/// `jump: none` in the inventory takes back what `ssh_config` says; leaving it out does not.
pub(crate) async fn jump_none(g: Arc<Ground>) {
    let text = format!("Host alias\n  ProxyJump nobody@127.0.0.1:1\n{}", common(&g));
    let mut host = configured(&g, "alias", &text);
    let said = g.words(host.clone(), login(&["true"])).await;
    assert!(said.contains("cannot connect to 127.0.0.1:1"), "{said}");
    host.ssh.jump = Some(Vec::new());
    assert!(g.once(host, login(&["true"])).await.is_ok());
}
