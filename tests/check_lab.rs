//! `check` against the embedded fleet: every scenario has its diagnosis, and nothing is changed by looking.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

#[path = "check_lab/doctored.rs"]
mod doctored;
#[path = "check_lab/etcd.rs"]
mod etcd;
#[path = "check_lab/over_ssh.rs"]
mod over_ssh;

use std::sync::Arc;

use certfleet::check::{Cure, Findings, Level, Subject, Thresholds, Verdict, examine};
use certfleet::engine::inspect;
use certfleet::lab::{CalicoTrouble, Fault, FaultRule, Lab, LabConfig, MemoryFleet, Scenario};
use certfleet::model::RuntimeKind;
use certfleet::remote::Transport;

async fn check(lab: &Lab) -> Findings {
    let password = lab.inventory_hosts().iter().find_map(|h| lab.sudo_password(h));
    let fleet = match password {
        Some(password) => MemoryFleet::with_password(lab.clone(), password),
        None => MemoryFleet::new(lab.clone()),
    };
    let transport: Arc<dyn Transport> = Arc::new(fleet);
    let inventory = lab.inventory();
    let clock = lab.clone();
    let inspected = inspect(&transport, &inventory, &inventory.hosts, &move || clock.wall_clock()).await;
    let findings = examine(&inspected, Thresholds::default(), "lab/inventory.yaml");
    assert!(
        lab.full_history().is_empty(),
        "a check changes nothing: {:?}",
        lab.full_history()
    );
    assert!(lab.alarms().is_empty(), "no secret is shown: {:?}", lab.alarms());
    findings
}

async fn scenario(scenario: Scenario) -> Findings {
    check(&Lab::scenario(scenario).expect("a fleet")).await
}

fn said(findings: &Findings) -> Vec<&str> {
    findings.diagnoses.iter().map(|d| d.sentence.as_str()).collect()
}

/// A crash loop fills its journal with stack dumps, and more than is looked at; then the kubelet is mended.
#[tokio::test(start_paused = true)]
async fn what_a_kubelet_wrote_before_it_was_mended_is_no_complaint() {
    let lab = Lab::new(LabConfig::new(Scenario::Healthy).sized(1, 1)).expect("a fleet");
    let expired = "E1122 19:00:00.000000 1 bootstrap.go:265] part of the existing bootstrap client certificate is expired: 2020-11-21 19:00:00 +0000 UTC";
    let registered = "I1122 19:00:00.000000 1 kubelet_node_status.go:74] Successfully registered node w1";
    let dump = vec!["goroutine 1 [running]:".to_owned(); 600];
    let w1 = "w1".into();
    lab.kubelet_says(&w1, &[expired.to_owned()]);
    lab.kubelet_says(&w1, &dump);
    let complaints = |findings: &Findings| said(findings).iter().filter(|s| s.contains("complained")).count();
    lab.kubelet_says(&w1, &[registered.to_owned()]);
    let mended = check(&lab).await;
    assert_eq!(
        (complaints(&mended), mended.level),
        (0, Level::Ok),
        "{:#?}",
        said(&mended)
    );
    lab.kubelet_says(&w1, &[expired.to_owned()]);
    let again = check(&lab).await;
    assert_eq!(complaints(&again), 1, "{:#?}", said(&again));
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_believes_another_authority_is_critical() {
    let mut config = LabConfig::new(Scenario::Healthy).sized(1, 2);
    config.foreign_ca = vec!["w2".to_owned()];
    let findings = check(&Lab::new(config).expect("a fleet")).await;
    let named = said(&findings)
        .into_iter()
        .filter(|s| s.contains("the CA in kubelet.conf on w2 does not belong there"));
    assert_eq!(named.count(), 1, "{:#?}", said(&findings));
    assert_eq!(findings.level, Level::Critical);
}

#[tokio::test(start_paused = true)]
async fn the_seed_names_the_api_server_as_the_cause() {
    for of in [Scenario::Seed, Scenario::French] {
        let findings = scenario(of).await;
        let first = &findings.diagnoses[0];
        assert!(
            first
                .sentence
                .starts_with("kube-apiserver on m1, m2, m3 serves a certificate that expired 2 h ago"),
            "{:#?}",
            said(&findings)
        );
        assert_eq!(
            first.cure,
            Cure::Command("certfleet restart -i lab/inventory.yaml".to_owned())
        );
        assert_eq!(findings.level, Level::Critical);
        let bad_files = findings
            .certificates
            .iter()
            .filter(|r| r.subject == Subject::File && r.is_problem());
        assert_eq!(bad_files.count(), 0, "on disk everything is fine");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_expired_on_disk_is_to_be_renewed() {
    let findings = scenario(Scenario::Expired).await;
    let renew = Cure::Command("certfleet renew -i lab/inventory.yaml".to_owned());
    let on_disk = findings
        .certificates
        .iter()
        .filter(|r| r.subject == Subject::File && r.verdict == Verdict::Expired);
    assert!(on_disk.count() >= 30, "ten certificates on three masters");
    assert_eq!(findings.diagnoses[0].cure, renew, "{:#?}", said(&findings));
}

#[tokio::test(start_paused = true)]
async fn a_healthy_fleet_is_ok() {
    for runtime in [RuntimeKind::Containerd, RuntimeKind::CriO] {
        let config = LabConfig {
            runtime,
            ..LabConfig::new(Scenario::Healthy)
        };
        let findings = check(&Lab::new(config).expect("a fleet")).await;
        assert_eq!((findings.level, said(&findings)), (Level::Ok, Vec::new()), "{runtime}");
        let seen = findings.certificates.iter().filter(|r| r.subject == Subject::Served);
        assert!(seen.count() >= 3 * 7, "every port of every master was looked at");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_cannot_start_is_cured_by_a_renewal_unless_nobody_can_sign() {
    for external in [false, true] {
        let mut config = LabConfig::new(Scenario::Healthy).sized(1, 2);
        config.expired_kubelets = vec!["w2".to_owned()];
        config.external_ca = external;
        let findings = check(&Lab::new(config).expect("a fleet")).await;
        let own = |d: &&certfleet::check::Diagnosis| d.sentence.contains("the kubelet's own client certificate on w2");
        let diagnosis = findings.diagnoses.iter().find(own).expect("a diagnosis");
        let renew = Cure::Command("certfleet renew -i lab/inventory.yaml".to_owned());
        assert_eq!(diagnosis.cure == renew, !external, "{diagnosis:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_invisible_token_is_found() {
    let mut config = LabConfig::new(Scenario::CalicoToken);
    if config.calico.is_empty() {
        config.calico = vec![("w1".to_owned(), CalicoTrouble::Token)];
    }
    let findings = check(&Lab::new(config).expect("a fleet")).await;
    let token = findings
        .certificates
        .iter()
        .find(|r| r.subject == Subject::Token && r.verdict == Verdict::Expired);
    assert!(token.is_some(), "{:#?}", said(&findings));
    assert!(
        said(&findings).iter().any(|s| s.contains("no pod can be created")),
        "{:#?}",
        said(&findings)
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_is_a_row() {
    let lab = Lab::scenario(Scenario::Healthy).expect("a fleet");
    let dead = lab.inventory_hosts().pop().expect("a host");
    lab.inject(FaultRule {
        host: dead.clone(),
        line: String::new(),
        fault: Fault::RefuseConnection,
        times: 1000,
    });
    let findings = check(&lab).await;
    let row = findings.certificates.iter().find(|r| r.host == dead).expect("a row");
    assert_eq!(
        (row.subject, row.verdict, findings.level),
        (Subject::Host, Verdict::Unknown, Level::Unknown)
    );
    assert!(
        said(&findings)[0].contains(&format!("{dead} could not be asked")),
        "{:#?}",
        said(&findings)
    );
}
