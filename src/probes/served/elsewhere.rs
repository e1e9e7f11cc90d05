//! Servers of an etcd that is not ours: named by the API servers' flags, run by no host of the inventory.

use std::collections::BTreeMap;

use crate::model::{Host, HostFacts, HostName};

use super::{Endpoint, Server, at_url};

/// The servers that this master's API server is told to use, without those that a host of the inventory runs.
pub fn etcd_servers(facts: &HostFacts, hosts: &[Host], all: &BTreeMap<HostName, HostFacts>) -> Vec<Endpoint> {
    if !facts.shape.etcd_is_elsewhere() {
        return Vec::new();
    }
    let urls = facts.shape.etcd_servers.iter();
    let told = urls.filter_map(|url| at_url(Server::EtcdElsewhere, url));
    told.filter(|e| !hosts.iter().any(|h| is_at(h, all.get(&h.name), &e.address)))
        .collect()
}

fn is_at(host: &Host, facts: Option<&HostFacts>, address: &str) -> bool {
    let same = |other: &str| other.eq_ignore_ascii_case(address);
    let told = |facts: &HostFacts| {
        let named = [facts.hostname.as_deref(), facts.advertise_address.as_deref()];
        facts.addresses.iter().any(|a| same(a)) || named.into_iter().flatten().any(same)
    };
    same(&host.address) || same(host.name.as_str()) || facts.is_some_and(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::probes::fixtures::host;

    #[test]
    fn only_servers_that_no_host_of_the_inventory_is_are_somebody_elses() {
        let mut facts = HostFacts::unknown("m1".into());
        let urls = [
            "https://10.0.0.31:2379",
            "https://e2:2379",
            "https://etcd.example:12379",
        ];
        facts.shape.etcd_servers = urls.map(str::to_owned).to_vec();
        let hosts = [
            host("m1", Role::ControlPlane),
            host("e1", Role::Etcd),
            host("e2", Role::Etcd),
        ];
        let mut first = HostFacts::unknown("e1".into());
        first.addresses = vec!["10.0.0.31".to_owned()];
        let all = BTreeMap::from([(HostName::new("e1"), first)]);
        let found = etcd_servers(&facts, &hosts, &all);
        let places: Vec<(&str, u16)> = found.iter().map(|e| (e.address.as_str(), e.port)).collect();
        assert_eq!(places, [("etcd.example", 12379)]);
        facts.shape.etcd_servers = vec!["https://127.0.0.1:2379".to_owned()];
        assert!(etcd_servers(&facts, &hosts, &all).is_empty());
    }
}
