use super::*;
use crate::data::testing::gray_png;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(images: &[&str], masks: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        images.iter().for_each(|name| folder.add("images", name, 5));
        masks.iter().for_each(|name| folder.add("masks", name, 5));
        folder
    }

    fn add(&self, part: &str, name: &str, width: u32) {
        let dir = self.0.path().join(part);
        std::fs::create_dir_all(&dir).unwrap();
        let png = dir.join("in-the-making.png");
        gray_png(&png, width, 4, |x, _| if x == 0 { 255 } else { 0 });
        // The content stays PNG whatever the extension says: formats are told by content.
        std::fs::rename(png, dir.join(name)).unwrap();
    }

    fn options(&self) -> FolderOptions {
        FolderOptions { channels: 1, ..FolderOptions::new(self.0.path()) }
    }

    fn fails(&self, options: &FolderOptions, parts: &[&str]) {
        let message = FolderDataset::open(options).unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn pairs_are_found_by_stem_and_sorted() {
    let folder = Folder::new(&["b.PNG", "a.jpg", ".hidden.png"], &["a.tif", "b.png", "c.png"]);
    std::fs::write(folder.0.path().join("images/notes.txt"), "x").unwrap();
    let data = FolderDataset::open(&folder.options()).unwrap();
    assert_eq!(data.ids(), ["a", "b"]);
    assert_eq!((data.size(0), data.coding.clone()), ((5, 4), MaskCoding::Binary0_255));
    assert_eq!(data.warnings.len(), 1);
    assert!(data.warnings[0].contains("c.png"), "{:?}", data.warnings);
    let sample = data.load(1).unwrap();
    assert_eq!((sample.id.as_str(), sample.mask.data[..2].to_vec()), ("b", vec![1, 0]));
    assert!(data.load(2).is_err());
}

#[test]
fn a_pattern_names_the_mask() {
    let folder = Folder::new(&["x.png", "y.png"], &["x_first.png", "y_first.PNG", "x_second.png"]);
    for pattern in ["{stem}_first.png", "{stem}_first"] {
        let data =
            FolderDataset::open(&FolderOptions { mask_pattern: Some(pattern.into()), ..folder.options() });
        let data = data.unwrap();
        assert_eq!(data.ids(), ["x", "y"]);
        assert!(data.warnings[0].contains("x_second.png"));
    }
    let bad = FolderOptions { mask_pattern: Some("first.png".into()), ..folder.options() };
    folder.fails(&bad, &["first.png", "{stem}"]);
}

#[test]
fn one_folder_needs_a_pattern() {
    let folder = Folder::new(&["x.png", "x_m.png", "y.jpg", "y_m.png"], &[]);
    let options = FolderOptions { masks: "images".into(), ..folder.options() };
    folder.fails(&options, &["mask pattern"]);
    let data =
        FolderDataset::open(&FolderOptions { mask_pattern: Some("{stem}_m.png".into()), ..options }).unwrap();
    assert_eq!(data.ids(), ["x", "y"]);
    assert!(data.warnings.is_empty());
}

#[test]
fn incomplete_and_doubtful_folders_are_refused() {
    let folder = Folder::new(&["a.png", "b.png"], &["a.png"]);
    folder.fails(&folder.options(), &["without a mask", "b.png", "no other masks"]);
    let folder = Folder::new(&["a.png"], &["a_hand.png"]);
    folder.fails(&folder.options(), &["a.png", "also holds a_hand.png"]);
    let folder = Folder::new(&["a.png", "a.jpg"], &["a.png"]);
    folder.fails(&folder.options(), &["a.jpg and a.png"]);
    let folder = Folder::new(&["a.png"], &["a.png", "a.tif"]);
    folder.fails(&folder.options(), &["a.png and a.tif"]);
    let folder = Folder::new(&["a.png"], &[]);
    folder.fails(&folder.options(), &["masks"]);
    std::fs::create_dir(folder.0.path().join("masks")).unwrap();
    std::fs::remove_file(folder.0.path().join("images/a.png")).unwrap();
    folder.fails(&folder.options(), &["no pictures"]);
}

#[test]
fn sizes_must_agree() {
    let folder = Folder::new(&["a.png", "b.png"], &["a.png"]);
    folder.add("masks", "b.png", 7);
    folder.fails(&folder.options(), &["b.png is 5x4", "7x4"]);
    let data_options = folder.options();
    folder.add("masks", "b.png", 5);
    let data = FolderDataset::open(&data_options).unwrap();
    folder.add("masks", "b.png", 6);
    assert!(data.load(1).unwrap_err().to_string().contains("changed"));
}
