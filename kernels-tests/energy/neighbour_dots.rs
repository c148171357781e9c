use gyre::ops::{check::Sample, energy::NeighbourDots};

#[test]
fn products() {
    for u in super::maps() {
        crate::forward([Sample::new(format!("{u}"), NeighbourDots { scale: 1.3 }, &[u, u]).forward_only()]);
    }
}
