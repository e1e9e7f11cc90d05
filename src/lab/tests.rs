//! Stories of the fleet, told by hand through the transport under paused time.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;
use crate::model::{Command, HostName, Output, RuntimeKind, scripts};
use crate::remote::{Line, Transport};

const DOCKER: &[&str] = &["docker.socket", "docker.service"];

fn fleet(config: LabConfig) -> MemoryFleet {
    MemoryFleet::new(Lab::new(config).expect("the lab can be built"))
}

async fn root(fleet: &MemoryFleet, host: &str, line: &str) -> Output {
    let command = Command::root(crate::model::shell_words::split(line).expect("a line"));
    fleet
        .run(&HostName::from(host), &command.with_timeout(Duration::from_secs(120)))
        .await
        .expect("an exit status")
}

async fn everywhere(fleet: &MemoryFleet, hosts: &str, line: &str) {
    let chosen = fleet
        .lab()
        .inventory_hosts()
        .into_iter()
        .filter(|h| h.as_str().starts_with(hosts));
    futures::future::join_all(chosen.map(|h| async move {
        let output = root(fleet, h.as_str(), line).await;
        assert!(output.status.success(), "{h}: {line}: {}", output.last_line());
    }))
    .await;
}

async fn renew_all(fleet: &MemoryFleet, alpha: &str) {
    everywhere(fleet, "m", &format!("kubeadm {alpha}certs renew all")).await;
}

/// The order of the seed.
async fn whole_order(fleet: &MemoryFleet, runtime: &[&str]) {
    let units = runtime.join(" ");
    everywhere(fleet, "", "systemctl stop kubelet").await;
    everywhere(fleet, "", &format!("systemctl stop {units}")).await;
    for group in ["m", "w"] {
        everywhere(fleet, group, &format!("systemctl start {units}")).await;
        everywhere(fleet, group, "systemctl start kubelet").await;
    }
}

/// Messages of the kubelet's journal in the last `seconds`.
async fn journal(fleet: &MemoryFleet, host: &str, seconds: u32) -> String {
    let line = format!("journalctl --unit=kubelet --no-pager -o cat --since=-{seconds}s");
    root(fleet, host, &line).await.stdout_text().into_owned()
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

fn served_serial(fleet: &MemoryFleet, host: &str) -> Option<bool> {
    fleet.lab().status().node(host).map(|n| n.served_is_disk)
}

#[tokio::test(start_paused = true)]
async fn the_seed_recovers_in_the_full_order_only() {
    let fleet = fleet(LabConfig::new(Scenario::Seed));
    let before = fleet.lab().status();
    assert!(before.nodes.iter().all(|n| !n.ready && !n.connected), "{before:?}");
    assert_eq!(served_serial(&fleet, "m1"), Some(false));
    let expired = "x509: certificate has expired or is not yet valid";
    assert!(journal(&fleet, "w3", 20).await.contains(expired));

    renew_all(&fleet, "alpha ").await;
    seconds(120).await;
    assert_eq!(
        served_serial(&fleet, "m1"),
        Some(false),
        "1.15 never looks at the new file"
    );
    assert!(journal(&fleet, "w3", 20).await.contains(expired));

    everywhere(&fleet, "", "systemctl restart kubelet").await;
    seconds(60).await;
    assert!(
        journal(&fleet, "m1", 20).await.contains(expired),
        "running containers are adopted again"
    );

    whole_order(&fleet, DOCKER).await;
    seconds(10).await;
    assert!(
        journal(&fleet, "w3", 10)
            .await
            .contains("Successfully registered node w3")
    );
    seconds(10).await;
    assert!(!journal(&fleet, "w3", 10).await.contains(expired));
    let status = fleet.lab().status();
    assert!(status.all_ready(), "{:?}", status.problems());
    assert_eq!(
        status.pods_not_ready.len(),
        2,
        "calico stays stuck until deleted: {status:?}"
    );

    let stuck = root(
        &fleet,
        "m1",
        "kubectl --kubeconfig=/etc/kubernetes/admin.conf get pods -n kube-system -l k8s-app=calico-node --no-headers",
    )
    .await;
    for line in stuck.stdout_text().lines().filter(|l| l.contains("CrashLoopBackOff")) {
        let pod = line.split_whitespace().next().expect("a name");
        let output = root(
            &fleet,
            "m1",
            &format!(
                "kubectl --kubeconfig=/etc/kubernetes/admin.conf delete pod {pod} --namespace=kube-system --wait=false"
            ),
        )
        .await;
        assert!(output.status.success());
    }
    seconds(5).await;
    assert_eq!(fleet.lab().status().healthy(), Ok(()));
    assert_eq!(fleet.lab().alarms(), []);
}

#[tokio::test(start_paused = true)]
async fn one_renewed_etcd_member_cannot_reach_quorum_alone() {
    let fleet = fleet(LabConfig::new(Scenario::Expired));
    let start = fleet.lab().status();
    assert!(
        start.nodes.iter().all(|n| n.connected && n.ready),
        "old connections still work: {start:?}"
    );
    assert!(!journal(&fleet, "w1", 25).await.contains("x509"), "silence is no proof");

    let recycle =
        "systemctl stop kubelet && systemctl stop docker.socket docker.service && systemctl start docker kubelet";
    root(&fleet, "m1", "kubeadm alpha certs renew all").await;
    root(&fleet, "m1", &format!("sh -c '{recycle}'")).await;
    seconds(90).await;
    let alone = fleet.lab().status();
    assert_eq!(alone.node("m1").and_then(|n| n.etcd_healthy), Some(false));
    assert_eq!(alone.node("m1").and_then(|n| n.api_ready), Some(false));

    root(&fleet, "m2", "kubeadm alpha certs renew all").await;
    root(&fleet, "m2", &format!("sh -c '{recycle}'")).await;
    seconds(10).await;
    assert_eq!(fleet.lab().status().node("m1").and_then(|n| n.api_ready), Some(true));
}

#[tokio::test(start_paused = true)]
async fn dockers_socket_wakes_it_up_and_containerds_shims_live_on() {
    let seed = fleet(LabConfig::new(Scenario::Seed).sized(1, 1));
    let warned = root(&seed, "w1", "systemctl stop docker").await;
    assert!(warned.stderr_text().contains("can still be activated by"));
    seconds(4).await;
    assert_eq!(
        root(&seed, "w1", "systemctl is-active docker").await.stdout_text(),
        "active\n"
    );
    root(&seed, "w1", "systemctl stop docker.socket docker.service").await;
    seconds(4).await;
    assert_eq!(
        root(&seed, "w1", "systemctl is-active docker").await.stdout_text(),
        "inactive\n"
    );

    let healthy = fleet(LabConfig::new(Scenario::Healthy).sized(1, 1));
    let ids = |f: &MemoryFleet| f.lab().status().node("m1").map(|n| n.containers.clone());
    let old = ids(&healthy);
    everywhere(&healthy, "m", "systemctl stop kubelet containerd").await;
    everywhere(&healthy, "m", "systemctl start containerd kubelet").await;
    seconds(5).await;
    assert_eq!(ids(&healthy), old);
    root(&healthy, "m1", "systemctl stop kubelet").await;
    let stop = Command::script(&scripts::STOP_STATIC_PODS, ["containerd", "20"]);
    let stopped = healthy.run(&HostName::from("m1"), &stop).await.expect("an exit status");
    assert_eq!(stopped.stdout_text().lines().count(), 4);
    root(&healthy, "m1", "systemctl start kubelet").await;
    seconds(10).await;
    assert_ne!(ids(&healthy), old);
    assert_eq!(healthy.lab().status().healthy(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_with_an_expired_certificate_never_starts() {
    for (minor, runtime) in [(19, RuntimeKind::Docker), (30, RuntimeKind::Containerd)] {
        let mut config = LabConfig::new(Scenario::Healthy)
            .sized(1, 1)
            .with_versions(minor, runtime);
        config.expired_kubelets = vec!["w1".to_owned()];
        let fleet = fleet(config);
        assert!(
            journal(&fleet, "w1", 20).await.contains("Unauthorized"),
            "running with it: refused by the API"
        );
        root(&fleet, "w1", "systemctl restart kubelet").await;
        seconds(25).await;
        let said = journal(&fleet, "w1", 25).await;
        assert!(said.contains("bootstrap client certificate"), "{said}");
        assert!(
            said.contains("stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory"),
            "{said}"
        );
        let show = root(&fleet, "w1", "systemctl show --property=SubState,NRestarts kubelet").await;
        assert_eq!(show.stdout_text(), "NRestarts=2\nSubState=auto-restart\n");
    }
}

#[tokio::test(start_paused = true)]
async fn drift_is_noticed_and_keys_raise_the_alarm() {
    let fleet = fleet(LabConfig::new(Scenario::Seed).sized(1, 0));
    let unknown = root(&fleet, "m1", "frobnicate --all").await;
    assert_eq!(
        (unknown.status.to_string(), unknown.stderr_text().as_ref()),
        ("exit status 127".to_owned(), "sh: 1: frobnicate: not found\n")
    );
    let login = Command::login(["cat", "/etc/kubernetes/pki/ca.key"]);
    let refused = fleet.run(&HostName::from("m1"), &login).await.expect("an exit status");
    assert_eq!(
        refused.stderr_text(),
        "cat: /etc/kubernetes/pki/ca.key: Permission denied\n"
    );
    let read = Command::script(&scripts::READ_CERTIFICATES, ["/etc/kubernetes/pki"]);
    let certificates = fleet.run(&HostName::from("m1"), &read).await.expect("an exit status");
    assert_eq!(certificates.stdout_text().matches("@certificate\t").count(), 15);
    assert_eq!(fleet.lab().alarms(), []);
    root(&fleet, "m1", "cat /etc/kubernetes/admin.conf").await;
    assert_eq!(fleet.lab().alarms().len(), 1, "a key inside a kubeconfig counts");
}

/// What nobody can see from outside counts as well: with an old client certificate the API server loses its etcd one day.
#[tokio::test(start_paused = true)]
async fn a_fleet_is_well_only_with_every_certificate_of_etcd_in_use() {
    for name in ["etcd-server", "apiserver-etcd-client"] {
        let modern = LabConfig::new(Scenario::Healthy).with_versions(28, RuntimeKind::Containerd);
        let fleet = fleet(modern.sized(1, 0));
        assert_eq!(fleet.lab().status().healthy(), Ok(()));
        everywhere(&fleet, "m1", &format!("kubeadm certs renew {name}")).await;
        let problems = fleet.lab().status().problems();
        assert!(
            problems.iter().any(|p| p.contains("another certificate")),
            "{name}: {problems:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_is_followed_from_a_cursor() {
    let fleet = fleet(LabConfig::new(Scenario::Seed).sized(1, 1));
    let cursor = root(
        &fleet,
        "w1",
        "journalctl --unit=kubelet --no-pager --lines=0 --show-cursor",
    )
    .await;
    let cursor = cursor.stdout_text().trim().trim_start_matches("-- cursor: ").to_owned();
    let words = [
        "journalctl",
        "--unit=kubelet",
        "--no-pager",
        "--all",
        "--output=json",
        "--follow",
    ];
    let command = Command::root(
        words
            .map(str::to_owned)
            .into_iter()
            .chain([format!("--after-cursor={cursor}")]),
    );
    let mut stream = fleet.follow(&HostName::from("w1"), &command).await.expect("a stream");
    let Some(Ok(Line::Out(line))) = stream.next().await else {
        panic!("a line")
    };
    let entry: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
    assert!(
        entry["__CURSOR"]
            .as_str()
            .is_some_and(|c| c > cursor.as_str() || c.len() > cursor.len()),
        "{entry}"
    );
    assert!(entry["MESSAGE"].as_str().is_some_and(|m| m.starts_with('E')), "{entry}");
}

#[tokio::test(start_paused = true)]
async fn french_sudo_asks_with_a_no_break_space() {
    let august = "2020-08-09T11:46:38Z".parse().ok();
    let lab = Lab::new(LabConfig {
        wall_clock: august,
        ..LabConfig::new(Scenario::French)
    })
    .expect("the lab can be built");
    let say = async |line: &str, input: &str| {
        let (to_stdin, stdin) = tokio::sync::mpsc::unbounded_channel();
        let (stdout, mut out) = tokio::sync::mpsc::unbounded_channel();
        let (stderr, mut err) = tokio::sync::mpsc::unbounded_channel();
        to_stdin.send(input.as_bytes().to_vec()).expect("open");
        drop(to_stdin);
        let status = lab
            .exec(
                &HostName::from("m1"),
                "ops",
                line.to_owned(),
                ExecIo { stdin, stdout, stderr },
            )
            .await;
        let mut text = [String::new(), String::new()];
        while let Ok(chunk) = out.try_recv() {
            text[0].push_str(&String::from_utf8_lossy(&chunk));
        }
        while let Ok(chunk) = err.try_recv() {
            text[1].push_str(&String::from_utf8_lossy(&chunk));
        }
        (status.success(), text)
    };
    let (done, [_, err]) = say("sudo -n true", "").await;
    assert_eq!(
        (done, err.as_str()),
        (false, "sudo: il est nécessaire de saisir un mot de passe\n")
    );
    let (done, [out, err]) = say("sudo -S id -u", "labpass\n").await;
    assert_eq!(
        (done, out.as_str(), err.as_str()),
        (true, "0\n", "[sudo] Mot de passe de ops\u{a0}: ")
    );
    let wrapped =
        "sudo -S -p ASK -- sh -c 'printf \"%s\\n\" \"$1\"; shift; exec \"$@\"' certfleet-begin MARK env LC_ALL=C id -u";
    let (done, [out, err]) = say(wrapped, "labpass\n").await;
    assert_eq!((done, out.as_str(), err.as_str()), (true, "MARK\n0\n", "ASK"));
    let (_, [out, _]) = say("sudo -S journalctl -u kubelet -n 1", "labpass\n").await;
    assert!(out.starts_with("août 09 11:46:3"), "{out}");
}

#[tokio::test]
async fn the_api_server_shows_the_certificate_in_memory() {
    let fleet = fleet(LabConfig::new(Scenario::Seed).sized(1, 0));
    for (port, listens) in [(6443, true), (2379, true), (10250, true), (10257, true), (8080, false)] {
        let dialled = fleet.dial(&HostName::from("m1"), "127.0.0.1", port).await;
        assert_eq!(dialled.is_ok(), listens, "{port}");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_strike_once() {
    let fleet = fleet(LabConfig::new(Scenario::Healthy).sized(1, 1));
    let host = HostName::from("w1");
    fleet.lab().inject(FaultRule {
        host: host.clone(),
        line: "systemctl stop".to_owned(),
        fault: Fault::DropAfter,
        times: 1,
    });
    fleet.lab().fail_starts(&host, "containerd", 1);
    let stop = Command::root(["systemctl", "stop", "containerd"]);
    let lost = fleet.run(&host, &stop).await;
    assert_eq!(lost, Err(crate::remote::RemoteError::Lost { sent: true }));
    assert_eq!(fleet.lab().history(&host).len(), 1, "it ran all the same");
    assert!(!root(&fleet, "w1", "systemctl start containerd").await.status.success());
    assert!(root(&fleet, "w1", "systemctl start containerd").await.status.success());
    fleet.lab().inject(FaultRule {
        host: host.clone(),
        line: "true".to_owned(),
        fault: Fault::Hang,
        times: 1,
    });
    let hung = timeout(Duration::from_secs(3600), fleet.run(&host, &Command::login(["true"]))).await;
    assert!(
        matches!(hung, Ok(Err(crate::remote::RemoteError::CommandTimeout { .. }))),
        "{hung:?}"
    );
}
