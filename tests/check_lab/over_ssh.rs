//! The same fleet behind a real SSH server: tunnels, sudo and the inventory as `lab up` writes it.

use std::sync::Arc;

use certfleet::check::{Thresholds, examine};
use certfleet::config::load_inventory;
use certfleet::engine::inspect;
use certfleet::lab::{Lab, LabFiles, LabHost, LabLogin, Machine, ServerOptions, SshServer, keys};
use certfleet::remote::{FleetOptions, NoSecrets, SshFleet, Transport};

use crate::doctored;

#[tokio::test]
async fn the_same_troubles_are_seen_over_ssh() {
    let lab = Lab::new(doctored::config()).expect("a fleet");
    doctored::damage(&lab);
    let login = keys::generate().expect("a key");
    let machine: Arc<dyn Machine> = Arc::new(lab.clone());
    let options = ServerOptions::new(login.public_key().clone());
    let server = SshServer::start(machine, lab.inventory_hosts(), options)
        .await
        .expect("the server starts");
    let hosts: Vec<LabHost> = server
        .hosts()
        .iter()
        .map(|h| LabHost {
            name: h.name.clone(),
            role: lab.inventory().host(&h.name).expect("a host of the fleet").role,
            port: h.port,
            host_key: h.host_key.clone(),
        })
        .collect();
    let login = LabLogin {
        key: &login,
        sudo_password: false,
    };
    let dir = tempfile::tempdir().expect("a directory");
    let files = LabFiles::write(&dir.path().join("lab"), &hosts, &login).expect("the files");
    let inventory = load_inventory(&files.inventory(), None).expect("an inventory");
    let fleet = SshFleet::new(inventory.hosts.clone(), Arc::new(NoSecrets), FleetOptions::default());
    let transport: Arc<dyn Transport> = Arc::new(fleet);
    let clock = lab.clone();
    let inspected = inspect(&transport, &inventory, &inventory.hosts, &move || clock.wall_clock()).await;
    doctored::expect(&examine(&inspected, Thresholds::default(), "lab/inventory.yaml"));
    assert!(lab.alarms().is_empty(), "no secret is shown: {:?}", lab.alarms());
    server.shutdown().await;
}
