use super::super::testing::Dicom;
use super::super::{Mask, MaskCoding, Picture, list_pictures};
use super::*;

fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn close(found: &[f32], wanted: &[f32]) -> bool {
    found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-4)
}

#[test]
fn gray_of_8_and_16_bits_signed_or_not() {
    let (_dir, path) =
        written("a.dcm", &Dicom::gray(2, 3, 8, false, "MONOCHROME2").bytes8(&[0, 51, 102, 153, 204, 255]));
    let picture = Picture::read(&path, 1).unwrap();
    assert_eq!((picture.width, picture.height), (3, 2));
    assert!(close(&picture.data, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), "{:?}", picture.data);
    let signed = Dicom::gray(1, 4, 16, true, "MONOCHROME2").bytes16(&[-1000, 0, 500, 1000]);
    let (_dir, path) = written("a.dcm", &signed);
    assert!(close(&Picture::read(&path, 1).unwrap().data, &[0.0, 0.5, 0.75, 1.0]));
    let unsigned = Dicom::gray(1, 4, 16, false, "MONOCHROME2").bytes16(&[0, 16384, 32768, 65535]);
    let (_dir, path) = written("a.dcm", &unsigned);
    let data = Picture::read(&path, 3).unwrap().data;
    assert!(close(&data[9..], &[1.0; 3]) && (data[3] - 0.25).abs() < 1e-3, "{data:?}");
}

#[test]
fn slope_window_range_and_inversion() {
    let scaled = |photometric: &str| {
        Dicom::gray(1, 4, 16, false, photometric).text(0x1052, b"DS", "-1024").text(0x1053, b"DS", "2")
    };
    let pixels = [412, 512, 592, 912];
    // In Hounsfield units: -200, 0, 160, 800.
    let (_dir, path) = written("a.dcm", &scaled("MONOCHROME2").bytes16(&pixels));
    let read = |range| Picture::read_from(&path, 1, range).unwrap().data;
    assert!(close(&read(Range::Auto), &[0.0, 0.2, 0.36, 1.0]));
    assert!(close(&read(Range::Given([-160.0, 240.0])), &[0.0, 0.4, 0.8, 1.0]));
    let windowed =
        scaled("MONOCHROME1").text(0x1050, b"DS", "40").text(0x1051, b"DS", "401").bytes16(&pixels);
    let (_dir, path) = written("a.dcm", &windowed);
    let read = |range| Picture::read_from(&path, 1, range).unwrap().data;
    // By PS3.3 C.11.2.1.2: from 39.5 - 200 to 39.5 + 200; then inverted.
    assert!(close(&read(Range::Auto), &[1.0, 0.598_75, 0.198_75, 0.0]), "{:?}", read(Range::Auto));
    assert!(close(&read(Range::MinMax), &[1.0, 0.8, 0.64, 0.0]));
}

#[test]
fn colours_and_labels() {
    let (_dir, path) =
        written("a.dcm", &Dicom::gray(1, 2, 8, false, "RGB").bytes8(&[255, 0, 51, 0, 102, 255]));
    assert!(close(&Picture::read(&path, 3).unwrap().data, &[1.0, 0.0, 0.2, 0.0, 0.4, 1.0]));
    assert!(Mask::read(&path, &MaskCoding::Nonzero).unwrap_err().to_string().contains("gray"));
    let (_dir, path) =
        written("a.dcm", &Dicom::gray(1, 2, 8, false, "YBR_FULL").bytes8(&[76, 85, 255, 255, 128, 128]));
    assert!(close(&Picture::read(&path, 3).unwrap().data, &[254.0 / 255.0, 0.0, 0.0, 1.0, 1.0, 1.0]));
    let (_dir, path) = written("a.dcm", &Dicom::gray(1, 4, 16, false, "MONOCHROME2").bytes16(&[0, 1, 2, 2]));
    assert_eq!(Mask::read(&path, &MaskCoding::Indices).unwrap().data, [0, 1, 2, 2]);
}

#[test]
fn files_are_known_by_their_content() {
    let bytes = Dicom::gray(1, 2, 8, false, "MONOCHROME2").bytes8(&[0, 255]);
    let (dir, _) = written("1.2.840.17", &bytes);
    for (name, content) in [("IM0001", &bytes[..]), ("notes", b"no picture"), ("b.dcm", &bytes)] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let found = list_pictures(dir.path()).unwrap();
    let names: Vec<String> = found.iter().map(|p| super::super::picture_name(p).unwrap()).collect();
    assert_eq!(names, ["1.2.840.17", "IM0001", "b"]);
    assert!(found.iter().all(|path| Picture::read(path, 1).is_ok_and(|p| p.data == [0.0, 1.0])));
}

/// What is between the elements of a picture, nested as it may be, is passed over.
#[test]
fn other_elements_are_passed_over() {
    let item = |inner: &[u8]| {
        let mut all = vec![0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff];
        all.extend(inner);
        all.extend([0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0]);
        all
    };
    let untold = |kind: &[u8; 2], inner: &[u8]| {
        let mut all = vec![0x40, 0x00, 0x75, 0x02];
        all.extend(kind);
        all.extend([0, 0, 0xff, 0xff, 0xff, 0xff]);
        all.extend(inner);
        all.extend([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
        all
    };
    let explicit = [0x08, 0x00, 0x60, 0x00, b'C', b'S', 2, 0, b'M', b'R'];
    let implicit = [0x08, 0x00, 0x60, 0x00, 2, 0, 0, 0, b'M', b'R'];
    let nested = untold(b"SQ", &item(&untold(b"SQ", &item(&explicit))));
    let unknown = untold(b"UN", &item(&implicit));
    let bytes = Dicom::gray(1, 2, 8, false, "MONOCHROME2").raw(&nested).raw(&unknown).bytes8(&[3, 7]);
    let (_dir, path) = written("a.dcm", &bytes);
    assert_eq!(Picture::read(&path, 1).unwrap().data, [0.0, 1.0]);
    let implicit = Dicom::new(true)
        .number(0x0002, 1)
        .text(0x0004, b"CS", "MONOCHROME2")
        .number(0x0010, 1)
        .number(0x0011, 2)
        .number(0x0100, 8)
        .number(0x0101, 8)
        .number(0x0102, 7)
        .number(0x0103, 0)
        .bytes8(&[9, 4]);
    let (_dir, path) = written("a.dcm", &implicit);
    assert_eq!(Picture::read(&path, 1).unwrap().data, [1.0, 0.0]);
    let deep = (0..40).fold(Vec::new(), |inner, _| untold(b"SQ", &item(&inner)));
    let (_dir, path) =
        written("a.dcm", &Dicom::gray(1, 2, 8, false, "MONOCHROME2").raw(&deep).bytes8(&[3, 7]));
    assert!(Picture::read(&path, 1).unwrap_err().to_string().contains("nested"));
}

#[test]
fn what_is_not_read_is_told() {
    let fails = |bytes: &[u8], part: &str| {
        let (_dir, path) = written("a.dcm", bytes);
        let message = Picture::read(&path, 1).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains("a.dcm"), "{message}");
        assert!(
            super::super::dimensions(&path).is_err()
                || part.contains("bytes of pixels")
                || part.contains("palette")
        );
    };
    let good = Dicom::gray(4, 4, 16, false, "MONOCHROME2").bytes16(&[5; 16]);
    fails(b"no DICOM at all", "no DICOM file");
    fails(&good[..good.len() - 9], "cut short");
    fails(&good[..200], "cut short");
    fails(&Dicom::gray(4, 4, 32, false, "MONOCHROME2").bytes16(&[5; 32]), "32 bits");
    fails(&Dicom::gray(0, 4, 8, false, "MONOCHROME2").bytes8(&[]), "no pixels");
    fails(
        &Dicom::gray(4, 4, 8, false, "MONOCHROME2").text(0x0008, b"IS", "2").bytes8(&[5; 32]),
        "several frames",
    );
    fails(&Dicom::gray(4, 4, 8, false, "MONOCHROME2").bytes8(&[5; 8]), "8 bytes of pixels where 16");
    // An element that claims four gigabytes.
    let hostile = Dicom::gray(4, 4, 8, false, "MONOCHROME2")
        .raw(&[0x28, 0, 0x50, 0x10, b'U', b'T', 0, 0, 0xf0, 0xff, 0xff, 0xff]);
    fails(&hostile.bytes8(&[5; 16]), "cut short");
    let wide = Dicom::gray(0xffff, 0xffff, 16, false, "MONOCHROME2").bytes16(&[5; 16]);
    fails(&wide, "65535x65535");
}
