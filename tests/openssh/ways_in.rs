//! Tunnels, jump hosts, `ProxyCommand`, and a crowd.

use std::sync::Arc;

use certfleet::model::HostName;
use certfleet::remote::error::TunnelRefusal;
use certfleet::remote::{RemoteError, Transport};
use tokio::io::AsyncReadExt;

use super::ground::{Ground, login};

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
}

pub(crate) async fn one_and_two_jump_hosts(g: Arc<Ground>) {
    let (a, b) = (
        format!("cf-free@127.0.0.1:{}", g.port),
        format!("cf-none@localhost:{}", g.port),
    );
    for jump in [vec![a.clone()], vec![a, b]] {
        let mut host = g.host("cf-pass");
        host.ssh.jump = jump.clone();
        let output = g.once(host, login(&["id", "-un"])).await.expect("an answer");
        assert_eq!(output.stdout_text(), "cf-pass\n", "{jump:?}");
    }
}

pub(crate) async fn proxy_command_and_match(g: Arc<Ground>) {
    let (port, id) = (g.port, g.path("id").display().to_string());
    let config = g.path("ssh_config");
    let proxy = "bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3'";
    let text = format!(
        "Host alias\n  HostName 127.0.0.1\n  Port {port}\n  User cf-free\n  IdentityFile {id}\n  ProxyCommand {proxy}\n"
    );
    for text in [text.clone(), format!("{text}Match host other\n  User nobody\n")] {
        std::fs::write(&config, text).expect("written");
        let mut host = g.host("x");
        "alias".clone_into(&mut host.address);
        host.ssh.user = None;
        host.ssh.port = None;
        host.ssh.identity.clear();
        host.ssh.config = Some(config.clone());
        let output = g.once(host, login(&["id", "-un"])).await.expect("an answer");
        assert_eq!(output.stdout_text(), "cf-free\n");
    }
}

/// sshd drops pre-auth connections from the tenth on; nobody notices.
pub(crate) async fn more_hosts_than_max_startups(g: Arc<Ground>) {
    let hosts: Vec<_> = (0..24)
        .map(|n| {
            let mut host = g.host("cf-free");
            host.name = HostName::new(format!("w{n}"));
            host
        })
        .collect();
    let names: Vec<_> = hosts.iter().map(|h| h.name.clone()).collect();
    let (fleet, command) = (g.fleet(hosts), login(&["true"]));
    let all = futures::future::join_all(names.iter().map(|n| fleet.run(n, &command))).await;
    let failed: Vec<_> = all.iter().filter_map(|r| r.as_ref().err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
