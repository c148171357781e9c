//! Checkpoints of PyTorch come in as they were saved, run nothing, and name what is wrong with them.
#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;

use common::pth::{Py, Storage, call, dict, ints, old_form, parts, pickle, text, zip, zip_form};
use common::{folder, run, succeed};
use gyre::Error;
use gyre::io::torch::{self, Checkpoint};
use gyre::io::weights::{self, Tensor, TensorMap};
use zip::CompressionMethod::{Deflated, Stored};

fn read(bytes: &[u8], key: Option<&str>) -> Result<Checkpoint, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    fs::write(&path, bytes).unwrap();
    torch::read(&path, key)
}

/// The complaint about these bytes, which names the file.
fn complaint(bytes: &[u8]) -> String {
    let error = read(bytes, None).unwrap_err();
    assert!(matches!(error, Error::Weights { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("w.pth: "), "{message}");
    message
}

/// Both forms of one checkpoint.
fn both(object: &Py, storages: &[&Storage]) -> [Vec<u8>; 2] {
    [zip_form(object, storages), old_form(object, storages)]
}

fn tensor(shape: &[usize], data: &[f32]) -> Tensor {
    Tensor { shape: shape.to_vec(), data: data.to_vec() }
}

fn counted(count: usize) -> Vec<f32> {
    (0..count).map(|i| i as f32).collect()
}

#[test]
fn views_of_shared_storages_come_out_dense() {
    let shared = Storage::floats("0", &counted(24));
    let other = Storage::floats("1", &[0.5, -0.0]);
    let state = dict(vec![
        ("whole", shared.dense(&[2, 3, 4])),
        ("turned", shared.view(0, &[4, 3, 2], &[1, 4, 12])),
        ("slice", shared.view(5, &[2, 2], &[12, 3])),
        ("spread", other.view(1, &[2, 3], &[0, 0])),
        ("one", shared.view(23, &[1], &[9_000_000_000_000_000_000])),
        ("scalar", other.view(0, &[], &[])),
        ("none", shared.view(99, &[0, 4], &[4, 1])),
    ]);
    let wanted = TensorMap::from(
        [
            ("whole", tensor(&[2, 3, 4], &counted(24))),
            (
                "turned",
                tensor(
                    &[4, 3, 2],
                    &(0..24).map(|i| (i / 6 + i / 2 % 3 * 4 + i % 2 * 12) as f32).collect::<Vec<_>>(),
                ),
            ),
            ("slice", tensor(&[2, 2], &[5.0, 8.0, 17.0, 20.0])),
            ("spread", tensor(&[2, 3], &[-0.0; 6])),
            ("one", tensor(&[1], &[23.0])),
            ("scalar", tensor(&[], &[0.5])),
            ("none", tensor(&[0, 4], &[])),
        ]
        .map(|(name, tensor)| (name.to_owned(), tensor)),
    );
    let mut all = both(&state, &[&shared, &other]).to_vec();
    all.push(zip(&parts(&state, &[&shared, &other]), Deflated));
    for bytes in all {
        let got = read(&bytes, None).unwrap();
        assert_eq!(got, Checkpoint { tensors: wanted.clone(), ..Checkpoint::default() });
        assert!(got.tensors["spread"].data[0].is_sign_negative());
    }
}

#[test]
fn every_type_of_number_is_converted() {
    let all = [
        (Storage::new("DoubleStorage", "0", &[2.5f64.to_le_bytes()]), 2.5),
        (Storage::new("HalfStorage", "1", &[0xc100u16.to_le_bytes()]), -2.5),
        (Storage::new("BFloat16Storage", "2", &[0xc020u16.to_le_bytes()]), -2.5),
        (Storage::new("LongStorage", "3", &[(-7i64).to_le_bytes()]), -7.0),
        (Storage::new("IntStorage", "4", &[(-7i32).to_le_bytes()]), -7.0),
        (Storage::new("ShortStorage", "5", &[(-7i16).to_le_bytes()]), -7.0),
        (Storage::new("CharStorage", "6", &[[0xf9]]), -7.0),
        (Storage::new("ByteStorage", "7", &[[0xf9]]), 249.0),
        (Storage::new("BoolStorage", "8", &[[1]]), 1.0),
    ];
    let state = dict(all.iter().map(|(storage, _)| (storage.class, storage.dense(&[1]))).collect());
    let storages: Vec<&Storage> = all.iter().map(|(storage, _)| storage).collect();
    for bytes in both(&state, &storages) {
        let got = read(&bytes, None).unwrap().tensors;
        assert_eq!(got.len(), all.len());
        for (storage, value) in &all {
            assert_eq!(got[storage.class].data, [*value], "{}", storage.class);
        }
    }
}

#[test]
fn a_big_endian_zip() {
    let storage = Storage::new("FloatStorage", "0", &[1.5f32.to_be_bytes(), (-3f32).to_be_bytes()]);
    let mut files = parts(&dict(vec![("a", storage.dense(&[2]))]), &[&storage]);
    files[1].1 = b"big".to_vec();
    assert_eq!(read(&zip(&files, Stored), None).unwrap().tensors["a"].data, [1.5, -3.0]);
    files[1].1 = b"middle".to_vec();
    assert!(complaint(&zip(&files, Stored)).contains("middle"));
}

#[test]
fn the_state_dict_is_found_among_the_rest() {
    let storage = Storage::floats("0", &[1.0, 2.0]);
    let one = || storage.dense(&[2]);
    let parameter = call("torch._utils", "_rebuild_parameter", vec![one(), Py::None, Py::None]);
    let entries = vec![
        Py::List(vec![text("module.conv.weight"), one()]),
        Py::Tuple(vec![text("module.bias"), parameter]),
        Py::Tuple(vec![text("n_averaged"), Py::Int(3)]),
    ];
    let weights = call("collections", "OrderedDict", vec![Py::List(entries)]);
    let moments = dict(vec![("exp_avg", one())]);
    let object = dict(vec![
        ("epoch", Py::Float(3.0)),
        ("optimizer", dict(vec![("state", Py::Dict(vec![(Py::Int(0), moments)]))])),
        ("best", storage.view(0, &[], &[])),
        ("size", call("torch", "Size", vec![ints(&[1, 2])])),
        ("model", dict(vec![("state_dict", weights)])),
    ]);
    for bytes in both(&object, &[&storage]) {
        let got = read(&bytes, None).unwrap();
        assert_eq!(got.key, "model/state_dict");
        assert_eq!(got.tensors.keys().collect::<Vec<_>>(), ["bias", "conv.weight"]);
        assert_eq!(got.others, ["n_averaged"]);
        assert_eq!(read(&bytes, Some("model/state_dict")).unwrap(), got);
        let wrong = read(&bytes, Some("model/nosuch")).unwrap_err().to_string();
        assert!(wrong.contains("nosuch") && wrong.contains("\"model/state_dict\""), "{wrong}");
    }
}

#[test]
fn several_state_dicts_want_a_choice_and_none_is_said_so() {
    let storage = Storage::floats("0", &[1.0]);
    let part = |name| dict(vec![(name, storage.dense(&[1]))]);
    let two = dict(vec![("generator", part("a")), ("critic", part("b"))]);
    let message = complaint(&zip_form(&two, &[&storage]));
    assert!(message.contains("--key: \"generator\", \"critic\""), "{message}");
    let chosen = read(&zip_form(&two, &[&storage]), Some("critic")).unwrap();
    assert_eq!((chosen.key.as_str(), chosen.tensors.len()), ("critic", 1));
    for nothing in [Py::None, Py::List(vec![]), dict(vec![("epoch", Py::Int(3))]), storage.dense(&[1])] {
        assert!(complaint(&zip_form(&nothing, &[&storage])).contains("no state dict"));
    }
    let clash = dict(vec![("module.a", storage.dense(&[1])), ("a", storage.dense(&[1]))]);
    assert!(complaint(&zip_form(&clash, &[&storage])).contains("module.a"));
    // A dict that holds itself.
    let cycle = Py::Raw(b"}q\x05X\x01\x00\x00\x00ah\x05s".to_vec());
    assert!(complaint(&zip_form(&cycle, &[])).contains("no state dict"));
}

#[test]
fn what_a_file_names_is_refused_and_never_run() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let shell = format!("touch {}", mark.display());
    let storage = Storage::floats("0", &[1.0]);
    let system = || call("os", "system", vec![text(&shell)]);
    let eval = call("builtins", "eval", vec![text("1 + 1")]);
    let Py::Call(_, arguments) = storage.dense(&[1]) else { unreachable!() };
    let Py::Tuple(arguments) = *arguments else { unreachable!() };
    // In the place of each of a tensor's arguments in turn.
    let tensors = (0..arguments.len()).map(|place| {
        let mut arguments = arguments.clone();
        arguments[place] = system();
        (dict(vec![("a", call("torch._utils", "_rebuild_tensor_v2", arguments))]), "os.system")
    });
    let stacked =
        [&b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93"[..], &pickle(&text(&shell))[2..]].concat();
    let stacked = [&stacked[..stacked.len() - 1], b"\x85R"].concat();
    let others = [
        (system(), "os.system"),
        (dict(vec![("a", storage.dense(&[1])), ("b", system())]), "os.system"),
        (Py::Raw(stacked), "os.system"),
        (eval, "builtins.eval"),
        (dict(vec![("state_dict", call("posix", "system", vec![text(&shell)]))]), "posix.system"),
        (call("torch.nn.modules.container", "Sequential", vec![]), "torch.nn.modules.container.Sequential"),
        (call("torch", "load", vec![text("x")]), "torch.load"),
        (call("torch._utils", "_rebuild_qtensor", vec![]), "torch._utils._rebuild_qtensor"),
        (call("collections", "Counter", vec![]), "collections.Counter"),
        (Storage::new("ComplexFloatStorage", "0", &[[0; 8]]).dense(&[1]), "ComplexFloatStorage"),
        // INST, NEWOBJ and OBJ, which make objects of classes.
        (Py::Raw(b"(ios\nsystem\n".to_vec()), "0x69"),
        (Py::Raw(b"ccollections\nOrderedDict\n)\x81".to_vec()), "0x81"),
        (Py::Raw(b"(ccollections\nOrderedDict\no".to_vec()), "0x6f"),
        (call("torch", "FloatStorage", vec![]), "would not write"),
        (Py::Call(Box::new(text("os.system")), Box::new(Py::Tuple(vec![]))), "no function"),
    ];
    for (object, named) in tensors.chain(others) {
        for bytes in both(&object, &[&storage]) {
            let message = complaint(&bytes);
            assert!(message.contains(named), "{named} is not in: {message}");
        }
    }
    assert!(!mark.exists());
}

#[test]
fn tensors_stay_within_their_storages_and_storages_within_the_file() {
    let small = Storage::floats("0", &counted(6));
    let huge = Storage { count: 1 << 40, ..small.clone() };
    let most = i64::MAX;
    for (tensor, part) in [
        (small.view(1, &[6], &[1]), "leaves its storage of 6"),
        (small.view(0, &[2, 3], &[4, 1]), "leaves its storage"),
        (small.view(6, &[], &[]), "leaves its storage"),
        (small.view(0, &[most, most], &[0, 0]), "leaves its storage"),
        (small.view(0, &[3, 3], &[most, most]), "leaves its storage"),
        (small.view(0, &[1 << 40], &[0]), "many times larger"),
        (small.view(0, &[3], &[-1]), "no sense"),
        (small.view(-1, &[3], &[1]), "no sense"),
        (small.view(0, &[3, 1], &[1]), "no sense"),
        (huge.dense(&[6]), "storage \"0\""),
    ] {
        for bytes in both(&dict(vec![("a", tensor)]), &[&small]) {
            let message = complaint(&bytes);
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
    }
    let missing = zip_form(&dict(vec![("a", small.dense(&[6]))]), &[]);
    assert!(complaint(&missing).contains("archive/data/0"));
}

#[test]
fn calls_of_a_few_bytes_cannot_fill_the_memory() {
    // An ordered dict of a thousand pairs, made a hundred thousand times.
    let mut bomb = b"ccollections\nOrderedDict\nq\x00]q\x01(NN\x86q\x02".to_vec();
    bomb.extend([b'h', 2].repeat(1000));
    bomb.extend([&b"e\x85q\x030"[..], &b"h\x00h\x03R0".repeat(100_000), b"N"].concat());
    assert!(complaint(&zip_form(&Py::Raw(bomb), &[])).contains("far too much"));
}

#[test]
fn other_files_are_told_apart() {
    assert!(complaint(b"").contains("too short"));
    assert!(complaint(b"no such thing").contains("neither a zip nor a pickle"));
    assert!(complaint(&pickle(&Py::Int(7))).contains("not one that torch.save wrote"));
    assert!(complaint(&zip(&[("a.npy".into(), vec![1])], Stored)).contains("no data.pkl"));
    let storage = Storage::floats("0", &[1.0]);
    let mut files = parts(&dict(vec![("a", storage.dense(&[1]))]), &[&storage]);
    files.push(("archive/constants.pkl".into(), vec![]));
    assert!(complaint(&zip(&files, Stored)).contains("TorchScript"));
    let error = torch::read("nosuch.pth", None).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("nosuch.pth"));
    // Packed zeros beyond reason for the size of the file.
    let zeros = Storage::floats("0", &vec![0.0; 1 << 20]);
    let bomb = zip(&parts(&dict(vec![("a", zeros.dense(&[1 << 20]))]), &[&zeros]), Deflated);
    assert!(complaint(&bomb).contains("larger"));
}

#[test]
fn every_cut_of_a_file_is_an_error() {
    let storage = Storage::floats("0", &counted(12));
    let [zip, old] = both(&dict(vec![("a", storage.dense(&[3, 4]))]), &[&storage]);
    for whole in [zip, old] {
        assert!(read(&whole, None).is_ok());
        for length in 0..whole.len() {
            complaint(&whole[..length]);
        }
    }
    // A byte of the numbers turned, which the zip's checksum finds.
    let mut turned = zip_form(&dict(vec![("a", storage.dense(&[3, 4]))]), &[&storage]);
    let at = turned.windows(8).position(|w| w == [0, 0, 0, 0, 0, 0, 0x80, 0x3f]).unwrap();
    turned[at] ^= 1;
    assert!(complaint(&turned).contains("damaged"));
}

/// A checkpoint whose numbers count up, of these names and shapes.
fn checkpoint(tensors: &[(&str, &[i64])]) -> (Py, Vec<Storage>) {
    let storages: Vec<Storage> = (0..)
        .zip(tensors)
        .map(|(key, (_, shape))| {
            Storage::floats(&key.to_string(), &counted(shape.iter().product::<i64>() as usize))
        })
        .collect();
    let entries = tensors.iter().zip(&storages).map(|((name, shape), s)| (*name, s.dense(shape)));
    (dict(entries.collect()), storages)
}

fn write_checkpoint(path: &Path, tensors: &[(&str, &[i64])]) {
    let (object, storages) = checkpoint(tensors);
    fs::write(path, zip_form(&object, &storages.iter().collect::<Vec<_>>())).unwrap();
}

#[test]
fn the_command_writes_safetensors() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    write_checkpoint(&at("w.pth"), &[("a.weight", &[2, 2]), ("bn.num_batches_tracked", &[]), ("x", &[3])]);
    let listed = succeed(folder.path(), &["import", "w.pth", "--list"]);
    assert!(listed.starts_with("a.weight [2, 2]\nx [3]\ndropped 1 num_batches_tracked"), "{listed}");
    assert!(listed.contains("2 tensors, 7 numbers"), "{listed}");
    assert!(!run(folder.path(), &["import", "w.pth"]).status.success(), "neither -o nor --list");
    succeed(folder.path(), &["import", "w.pth", "-o", "w.safetensors"]);
    let (map, metadata) = weights::read(at("w.safetensors")).unwrap();
    assert_eq!(map.keys().collect::<Vec<_>>(), ["a.weight", "x"]);
    assert_eq!(map["a.weight"], tensor(&[2, 2], &[0.0, 1.0, 2.0, 3.0]));
    assert!(metadata["gyre"].contains("w.pth"));
    // It is not replaced unasked, and comes through itself.
    let again = run(folder.path(), &["import", "w.pth", "-o", "w.safetensors"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("--overwrite"));
    succeed(folder.path(), &["import", "w.safetensors", "-o", "w.safetensors", "--overwrite"]);
    assert_eq!(weights::read(at("w.safetensors")).unwrap().0, map);
    let key = run(folder.path(), &["import", "w.safetensors", "--list", "--key", "a"]);
    assert!(String::from_utf8_lossy(&key.stderr).contains("w.safetensors: has no keys"));
}

#[test]
fn the_command_renames_an_efficientnet() {
    let mut tensors: Vec<(String, Vec<i64>)> = vec![("_conv_stem.weight".into(), vec![4, 3, 3, 3])];
    for (n, (kernel, out)) in [(3, 1), (3, 2), (5, 3), (3, 4), (5, 5), (5, 6), (3, 7)].into_iter().enumerate()
    {
        let mut part = |name: &str, shape: &[i64]| {
            tensors.push((format!("_blocks.{n}.{name}.weight"), shape.to_vec()));
        };
        if n > 0 {
            part("_expand_conv", &[2, out - 1, 1, 1]);
        }
        part("_depthwise_conv", &[2, 1, kernel, kernel]);
        part("_project_conv", &[out, 2, 1, 1]);
    }
    let folder = folder();
    let tensors: Vec<(&str, &[i64])> = tensors.iter().map(|(n, s)| (n.as_str(), &s[..])).collect();
    write_checkpoint(&folder.path().join("e.pth"), &tensors);
    let said = succeed(folder.path(), &["import", "e.pth", "-o", "e.safetensors"]);
    assert!(said.contains("_blocks.6._project_conv -> encoder.blocks.6.0.conv_pwl (1)"), "{said}");
    let (map, _) = weights::read(folder.path().join("e.safetensors")).unwrap();
    assert_eq!(map.len(), tensors.len());
    assert_eq!(map["encoder.blocks.0.0.conv_pw.weight"].shape, [1, 2, 1, 1]);
    let kept = succeed(folder.path(), &["import", "e.pth", "--list", "--names", "keep"]);
    assert!(kept.contains("_blocks.6._project_conv.weight [7, 2, 1, 1]"), "{kept}");
    write_checkpoint(&folder.path().join("u.pth"), &[("a.weight", &[2])]);
    let other = run(folder.path(), &["import", "u.pth", "--list", "--names", "efficientnet-pytorch"]);
    assert!(String::from_utf8_lossy(&other.stderr).contains("u.pth: holds no _conv_stem.weight"));
}

#[test]
fn a_run_starts_from_an_imported_checkpoint() {
    let folder = folder();
    let train = |args: &[&str]| {
        let set = ["--set", "train.epochs=1", "--quiet", "--overwrite"];
        run(folder.path(), &[&["train", "tiny.toml"], &set[..], args].concat())
    };
    assert!(train(&[]).status.success());
    let (trained, _) = weights::read(folder.path().join("run/best.safetensors")).unwrap();
    let shapes: Vec<(String, Vec<i64>)> = trained
        .iter()
        .map(|(name, t)| (format!("module.{name}"), t.shape.iter().map(|n| *n as i64).collect()))
        .collect();
    let tensors: Vec<(&str, &[i64])> = shapes.iter().map(|(n, s)| (n.as_str(), &s[..])).collect();
    write_checkpoint(&folder.path().join("w.pth"), &tensors);
    let refused = train(&["--init", "w.pth"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("w.pth: ") && said.contains("gyre import"), "{said}");
    succeed(folder.path(), &["import", "w.pth", "-o", "w.safetensors"]);
    let started = train(&["--init", "w.safetensors"]);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
}
