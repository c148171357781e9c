use gyre::{
    graph::{Array, Operator, Shape},
    ops::{Resize, check::Sample},
};

fn ways(to: [usize; 2]) -> [Resize; 3] {
    [Resize::nearest(to), Resize::bilinear(to, false), Resize::bilinear(to, true)]
}

#[test]
fn up_down_and_odd() {
    let x = Shape::new(2, 5, 7, 5);
    for to in [[10, 14], [15, 28], [5, 7], [3, 2], [1, 1], [7, 4], [2, 20]] {
        for op in ways(to) {
            crate::both([Sample::new(format!("{op:?}"), op, &[x])]);
        }
    }
}

#[test]
fn one_pixel_and_other_channels() {
    for op in ways([4, 3]) {
        for x in [Shape::new(3, 1, 1, 1), Shape::new(1, 1, 6, 13), Shape::new(1, 8, 9, 4)] {
            crate::both([Sample::new(format!("{op:?} {x}"), op, &[x])]);
        }
    }
}

#[test]
fn known_values() {
    let row = Array { shape: Shape::new(1, 1, 3, 1), data: vec![0.0, 6.0, 12.0] };
    let of = |op: Resize| op.twin(std::slice::from_ref(&row)).swap_remove(0).data;
    assert_eq!(of(Resize::nearest([1, 5])), [0.0, 0.0, 6.0, 6.0, 12.0]);
    assert_eq!(of(Resize::bilinear([1, 5], true)), [0.0, 3.0, 6.0, 9.0, 12.0]);
    assert_eq!(of(Resize::bilinear([1, 6], false)), [0.0, 1.5, 4.5, 7.5, 10.5, 12.0]);
}

#[test]
fn misfits_are_refused() {
    let x = Shape::new(1, 2, 8, 4);
    assert!(Resize::nearest([0, 4]).shapes(&[x]).unwrap_err().to_string().contains("1x2x8x4"));
    assert!(Resize::nearest([1 << 40, 4]).shapes(&[x]).is_err());
}
