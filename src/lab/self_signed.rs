//! The serving certificate that a kubelet makes for itself.

use std::sync::Arc;

use super::clock::{DAY, shift};
use super::file_tree::Content;
use super::kubelet_files::SERVING;
use super::pki::{LabError, LeafSpec, Signer};
use super::world::World;

impl World {
    /// A kubelet that has started signs a serving certificate for itself where it finds none, unless it is to ask the API for one.
    pub(super) fn make_serving(&mut self) -> Result<(), LabError> {
        let asks = self.config.serving_requests.is_some();
        for index in 0..self.nodes.len() {
            let (now, clock) = (self.now, self.clock);
            let node = &mut self.nodes[index];
            let Some(kubelet) = node.kubelet.as_mut().filter(|k| k.booted && !k.serves) else {
                continue;
            };
            kubelet.serves = true;
            if asks || node.files.entry(SERVING).is_some() {
                continue;
            }
            let (name, wall) = (node.name.to_string(), clock.wall(now + node.offset));
            let spec = LeafSpec::server(format!("{name}@{}", wall.as_second()), vec![name], Signer::Own);
            let leaf = self.issue(spec, wall, shift(wall, 365 * DAY))?;
            let files = &mut self.nodes[index].files;
            files.put(SERVING.replace(".crt", ".key"), Content::Key(Arc::clone(&leaf)), wall);
            files.put(SERVING, Content::Certificate(leaf), wall);
        }
        Ok(())
    }
}
