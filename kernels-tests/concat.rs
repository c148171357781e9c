use gyre::{
    graph::{Operator, Shape},
    ops::{Concat, check::Sample},
};

#[test]
fn any_channel_counts() {
    let lists: [&[usize]; 8] = [
        &[1, 1],
        &[4, 8],
        &[8, 13],
        &[13, 1, 4],
        &[3, 5, 2, 1],
        &[4, 4, 8, 4, 2],
        &[1, 2, 3, 4, 5, 6],
        &[5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8],
    ];
    for channels in lists {
        for size in [Shape::new(3, 5, 3, 1), Shape::new(2, 1, 1, 1)] {
            let shapes: Vec<_> = channels.iter().map(|c| size.with_c(*c)).collect();
            crate::both([Sample::new(format!("{channels:?} {size}"), Concat, &shapes)]);
        }
    }
}

#[test]
fn misfits_are_refused() {
    let x = Shape::new(1, 2, 3, 4);
    let message = Concat.shapes(&[x, Shape::new(1, 2, 4, 4)]).unwrap_err().to_string();
    assert!(message.contains("w: 3") && message.contains("w: 4"), "{message}");
    assert!(Concat.shapes(&[x]).is_err());
}
