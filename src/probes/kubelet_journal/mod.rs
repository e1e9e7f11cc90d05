//! What a kubelet journal line means for the gate.
