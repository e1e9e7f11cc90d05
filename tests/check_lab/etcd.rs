//! An etcd on hosts of its own: ours, and somebody else's.

use certfleet::check::{Level, Row, Subject, Verdict};
use certfleet::lab::{EtcdKey, Lab, LabConfig, Scenario};

use crate::{check, said};

const ELSEWHERE: &str = "etcd of somebody else";

fn fleet(scenario: Scenario, change: impl FnOnce(&mut LabConfig)) -> Lab {
    let mut config = LabConfig::new(scenario).sized(1, 1).with_etcd(3);
    config.calico.clear();
    change(&mut config);
    Lab::new(config).expect("a fleet")
}

#[tokio::test(start_paused = true)]
async fn a_healthy_etcd_of_ours_is_looked_at_on_its_own_hosts() {
    let findings = check(&fleet(Scenario::Healthy, |_| {})).await;
    assert_eq!(findings.level, Level::Ok, "{:#?}", said(&findings));
    let shown = |r: &&Row| r.subject == Subject::Served && r.process.as_deref() == Some("etcd");
    let shown: Vec<&Row> = findings.certificates.iter().filter(shown).collect();
    assert_eq!(shown.len(), 6, "client and peer port of three members: {shown:#?}");
    assert!(shown.iter().all(|r| r.verdict == Verdict::Ok), "{shown:#?}");
    let foreign = |r: &Row| r.process.as_deref() == Some(ELSEWHERE);
    assert!(!findings.certificates.iter().any(foreign));
}

#[tokio::test(start_paused = true)]
async fn an_expired_etcd_of_ours_is_renewed_unless_nobody_can_sign() {
    for (key, command) in [
        (EtcdKey::First, "certfleet renew"),
        (EtcdKey::Nowhere, "signed by the owner of the CA"),
    ] {
        let findings = check(&fleet(Scenario::Expired, |c| c.etcd_key = key)).await;
        let of = |word: &str| findings.diagnoses.iter().find(|d| d.sentence.contains(word));
        for name in ["etcd-peer", "apiserver-etcd-client"] {
            let found = of(name).unwrap_or_else(|| panic!("{name}: {:#?}", said(&findings)));
            assert!(found.cure.text().contains(command), "{key:?} {name}: {found:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_etcd_of_somebody_else_is_reported() {
    for (scenario, level) in [(Scenario::Healthy, Level::Ok), (Scenario::Expired, Level::Critical)] {
        let findings = check(&fleet(scenario, |c| c.foreign_etcd = true)).await;
        let foreign = |r: &&Row| r.process.as_deref() == Some(ELSEWHERE);
        let rows: Vec<&Row> = findings.certificates.iter().filter(foreign).collect();
        assert_eq!(rows.len(), 3, "{rows:#?}");
        assert!(
            rows.iter().all(|r| r.level == level && r.not_after.is_some()),
            "{rows:#?}"
        );
        assert_eq!(rows[0].place, "192.168.130.11:2379");
        let told = findings
            .diagnoses
            .iter()
            .filter(|d| d.sentence.contains("192.168.130.11:2379"));
        let told: Vec<_> = told.collect();
        assert_eq!(
            told.len(),
            usize::from(level == Level::Critical),
            "{:#?}",
            said(&findings)
        );
        if let Some(diagnosis) = told.first() {
            assert!(diagnosis.cure.text().contains("whoever runs it"), "{diagnosis:#?}");
        }
    }
}
