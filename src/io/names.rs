//! Names that other programs give to weights, and the names of the same weights here.

use std::collections::BTreeMap;

use super::weights::TensorMap;

/// Kernel sizes of an EfficientNet's stages (arXiv 1905.11946, table 1); scaling never changes them.
const KERNELS: [usize; 7] = [3, 3, 5, 3, 5, 5, 3];
/// Where an encoder's weights belong.
const ENCODER: &str = "encoder.";
const STEM: &str = "_conv_stem.weight";

/// Tensors under their new names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Renamed {
    /// The tensors.
    pub tensors: TensorMap,
    /// Old and new name of each that was renamed, in the order of the old names.
    pub renamed: Vec<(String, String)>,
}

/// Whether the names are those of the EfficientNet-PyTorch family (`_conv_stem`, `_blocks.N._depthwise_conv`).
pub fn is_efficientnet_pytorch(tensors: &TensorMap) -> bool {
    prefix(tensors)
        .is_some_and(|prefix| tensors.contains_key(&format!("{prefix}_blocks.0._project_conv.weight")))
}

/// What stands before the encoder's names.
fn prefix(tensors: &TensorMap) -> Option<&str> {
    tensors.keys().find_map(|name| name.strip_suffix(STEM))
}

/// Gives the names of timm's EfficientNets below `encoder.` to the tensors of the EfficientNet-PyTorch family.
///
/// That family numbers its blocks from first to last; here they are `blocks.<stage>.<repeat>`. A stage begins where
/// the number of output channels changes. The head's convolution and norm become `encoder.conv_head` and
/// `encoder.bn2`, and `_fc` becomes `classifier`. Other names stay.
///
/// # Errors
/// If the blocks do not make the seven stages of an EfficientNet, or two tensors would have one name.
pub fn from_efficientnet_pytorch(tensors: TensorMap) -> Result<Renamed, String> {
    let prefix = prefix(&tensors).ok_or_else(|| format!("holds no {STEM}"))?.to_owned();
    let places = stages(&tensors, &prefix)?;
    let mut all = Renamed::default();
    for (name, tensor) in tensors {
        let new = name.strip_prefix(&prefix).and_then(|rest| rename(rest, &places));
        let new = match new {
            Some(new) => {
                all.renamed.push((name, new.clone()));
                new
            }
            None => name,
        };
        if all.tensors.contains_key(&new) {
            return Err(format!("two tensors would be called {new:?}"));
        }
        all.tensors.insert(new, tensor);
    }
    Ok(all)
}

/// Stage and repeat of each block.
fn stages(tensors: &TensorMap, prefix: &str) -> Result<Vec<[usize; 2]>, String> {
    let blocks = blocks(tensors, prefix)?;
    let mut places: Vec<[usize; 2]> = Vec::new();
    let mut kernels = Vec::new();
    let mut before = None;
    for (number, block) in blocks.iter().enumerate() {
        if before == Some(block.out) {
            let [stage, repeat] = places[number - 1];
            places.push([stage, repeat + 1]);
        } else {
            places.push([kernels.len(), 0]);
            kernels.push(block.kernel);
        }
        before = Some(block.out);
        let first = kernels.len() == 1;
        if block.expands == first || kernels.last() != Some(&block.kernel) {
            return Err(format!(
                "block {number} is none of an EfficientNet; --names keep leaves names as they are"
            ));
        }
    }
    if kernels != KERNELS {
        return Err(format!(
            "its blocks make {} stages with kernels {kernels:?}, where an EfficientNet has {KERNELS:?}; --names keep \
             leaves names as they are",
            kernels.len()
        ));
    }
    Ok(places)
}

/// What tells stages apart.
struct Block {
    expands: bool,
    kernel: usize,
    out: usize,
}

fn blocks(tensors: &TensorMap, prefix: &str) -> Result<Vec<Block>, String> {
    let axis = |number: usize, part: &str, axis: usize| {
        let tensor = tensors.get(&format!("{prefix}_blocks.{number}.{part}.weight"))?;
        tensor.shape.get(axis).copied().filter(|_| tensor.shape.len() == 4)
    };
    let numbers = tensors.keys().filter_map(|name| block_number(name.strip_prefix(prefix)?)).map(|(n, _)| n);
    let Some(last) = numbers.max() else { return Err("holds no _blocks".to_owned()) };
    let block = |number: usize| {
        let expands = axis(number, "_expand_conv", 0).is_some();
        let (kernel, out) = (axis(number, "_depthwise_conv", 3)?, axis(number, "_project_conv", 0)?);
        Some(Block { expands, kernel, out })
    };
    // Ends at the first that is missing, whatever the last is called.
    (0..=last)
        .map(|number| block(number).ok_or_else(|| format!("block {number} of {} is not whole", last + 1)))
        .collect()
}

/// `_blocks.12._bn1.weight` is of block 12, `_bn1.weight`.
fn block_number(name: &str) -> Option<(usize, &str)> {
    let (number, rest) = name.strip_prefix("_blocks.")?.split_once('.')?;
    // No network has more; and the number is counted to.
    number.parse().ok().filter(|number| *number < 10_000).map(|number| (number, rest))
}

/// The new name of one of the family's, without its prefix.
fn rename(name: &str, places: &[[usize; 2]]) -> Option<String> {
    if let Some((number, rest)) = block_number(name) {
        let (part, rest) = rest.split_once('.')?;
        let [stage, repeat] = places.get(number)?;
        let part = block_part(part, *stage == 0)?;
        return Some(format!("{ENCODER}blocks.{stage}.{repeat}.{part}.{rest}"));
    }
    let (part, rest) = name.split_once('.')?;
    let new = match part {
        "_conv_stem" => "encoder.conv_stem",
        "_bn0" => "encoder.bn1",
        "_conv_head" => "encoder.conv_head",
        "_bn1" => "encoder.bn2",
        "_fc" => "classifier",
        _ => return None,
    };
    Some(format!("{new}.{rest}"))
}

/// A part of a block. Those of the first stage do not expand: they begin with the depthwise convolution.
fn block_part(part: &str, first_stage: bool) -> Option<&'static str> {
    let names: &[(&str, &str)] = if first_stage {
        &[("_bn1", "bn1"), ("_project_conv", "conv_pw"), ("_bn2", "bn2")]
    } else {
        &[
            ("_expand_conv", "conv_pw"),
            ("_bn0", "bn1"),
            ("_bn1", "bn2"),
            ("_project_conv", "conv_pwl"),
            ("_bn2", "bn3"),
        ]
    };
    let common =
        [("_depthwise_conv", "conv_dw"), ("_se_reduce", "se.conv_reduce"), ("_se_expand", "se.conv_expand")];
    names.iter().chain(&common).find(|(old, _)| *old == part).map(|(_, new)| *new)
}

/// Renamed modules, and how many tensors of each: `[(_bn0, encoder.bn1, 4), ...]`.
pub fn by_module(renamed: &[(String, String)]) -> Vec<(String, String, usize)> {
    let module = |name: &str| name.rsplit_once('.').map_or(name, |(module, _)| module).to_owned();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (old, new) in renamed {
        *counts.entry((module(old), module(new))).or_default() += 1;
    }
    counts.into_iter().map(|((old, new), count)| (old, new, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::weights::Tensor;

    const OUTS: [usize; 7] = [16, 24, 40, 80, 112, 192, 320];

    /// A network of so many repeats, named as that family names it; its tensors hold no numbers.
    fn network(prefix: &str, repeats: [usize; 7], squeezes: bool) -> TensorMap {
        let mut map = TensorMap::new();
        let mut add = |name: String, shape: &[usize]| {
            map.insert(format!("{prefix}{name}"), Tensor { shape: shape.to_vec(), data: Vec::new() });
        };
        add("_conv_stem.weight".into(), &[32, 3, 3, 3]);
        add("_bn0.weight".into(), &[32]);
        let (mut number, mut before) = (0, 32);
        for stage in 0..7 {
            for _ in 0..repeats[stage] {
                let mid = if stage == 0 { before } else { before * 6 };
                let mut part = |name: &str, shape: &[usize]| add(format!("_blocks.{number}.{name}"), shape);
                if stage > 0 {
                    part("_expand_conv.weight", &[mid, before, 1, 1]);
                    part("_bn0.running_var", &[mid]);
                }
                part("_depthwise_conv.weight", &[mid, 1, KERNELS[stage], KERNELS[stage]]);
                part("_bn1.bias", &[mid]);
                if squeezes {
                    part("_se_reduce.weight", &[before / 4, mid, 1, 1]);
                    part("_se_expand.bias", &[mid]);
                }
                part("_project_conv.weight", &[OUTS[stage], mid, 1, 1]);
                part("_bn2.weight", &[OUTS[stage]]);
                (number, before) = (number + 1, OUTS[stage]);
            }
        }
        add("_conv_head.weight".into(), &[1280, 320, 1, 1]);
        add("_bn1.running_mean".into(), &[1280]);
        add("_fc.bias".into(), &[1000]);
        map
    }

    /// Of `b<n>`: repeats times 1, 1.1, 1.2, 1.4, 1.8, 2.2, 2.6, 3.1, rounded up.
    fn repeats(depth: f64) -> [usize; 7] {
        [1, 2, 2, 3, 3, 4, 1].map(|repeats| (f64::from(repeats) * depth).ceil() as usize)
    }

    #[test]
    fn blocks_of_every_depth_find_their_stage_and_repeat() {
        for depth in [1.0, 1.1, 1.2, 1.4, 1.8, 2.2, 2.6, 3.1] {
            let repeats = repeats(depth);
            let map = network("", repeats, true);
            assert!(is_efficientnet_pytorch(&map));
            let count = map.len();
            let renamed = from_efficientnet_pytorch(map).unwrap();
            assert_eq!((renamed.tensors.len(), renamed.renamed.len()), (count, count), "nothing is lost");
            for (stage, repeats) in repeats.into_iter().enumerate() {
                let name = |repeat: usize| format!("encoder.blocks.{stage}.{repeat}.conv_dw.weight");
                assert_eq!(renamed.tensors[&name(repeats - 1)].shape[3], KERNELS[stage]);
                assert!(!renamed.tensors.contains_key(&name(repeats)), "{depth}");
            }
        }
    }

    #[test]
    fn parts_have_the_names_of_timm() {
        let of = |prefix: &str| from_efficientnet_pytorch(network(prefix, repeats(1.0), true)).unwrap();
        let renamed: BTreeMap<String, String> = of("").renamed.into_iter().collect();
        for (old, new) in [
            ("_conv_stem.weight", "encoder.conv_stem.weight"),
            ("_bn0.weight", "encoder.bn1.weight"),
            ("_blocks.0._depthwise_conv.weight", "encoder.blocks.0.0.conv_dw.weight"),
            ("_blocks.0._bn1.bias", "encoder.blocks.0.0.bn1.bias"),
            ("_blocks.0._se_reduce.weight", "encoder.blocks.0.0.se.conv_reduce.weight"),
            ("_blocks.0._project_conv.weight", "encoder.blocks.0.0.conv_pw.weight"),
            ("_blocks.0._bn2.weight", "encoder.blocks.0.0.bn2.weight"),
            ("_blocks.4._expand_conv.weight", "encoder.blocks.2.1.conv_pw.weight"),
            ("_blocks.4._bn0.running_var", "encoder.blocks.2.1.bn1.running_var"),
            ("_blocks.4._bn1.bias", "encoder.blocks.2.1.bn2.bias"),
            ("_blocks.4._se_expand.bias", "encoder.blocks.2.1.se.conv_expand.bias"),
            ("_blocks.15._project_conv.weight", "encoder.blocks.6.0.conv_pwl.weight"),
            ("_blocks.15._bn2.weight", "encoder.blocks.6.0.bn3.weight"),
            ("_conv_head.weight", "encoder.conv_head.weight"),
            ("_bn1.running_mean", "encoder.bn2.running_mean"),
            ("_fc.bias", "classifier.bias"),
        ] {
            assert_eq!(renamed[old], new);
        }
        // As the encoder of a segmentation network, and without squeeze and excitation.
        assert_eq!(of("encoder.").tensors, of("").tensors);
        assert!(from_efficientnet_pytorch(network("", repeats(1.0), false)).is_ok());
    }

    #[test]
    fn other_networks_are_refused_and_other_tensors_kept() {
        let mut map = network("encoder.", repeats(1.0), false);
        map.insert("decoder.weight".into(), Tensor::default());
        assert!(from_efficientnet_pytorch(map.clone()).unwrap().tensors.contains_key("decoder.weight"));
        map.insert("encoder.conv_stem.weight".into(), Tensor::default());
        assert!(from_efficientnet_pytorch(map.clone()).unwrap_err().contains("encoder.conv_stem.weight"));
        map.remove("encoder._blocks.7._project_conv.weight");
        assert!(from_efficientnet_pytorch(map.clone()).unwrap_err().contains("block 7 of 16"));
        let fewer = network("", [1, 2, 2, 3, 3, 4, 0], false);
        assert!(from_efficientnet_pytorch(fewer).unwrap_err().contains("6 stages"));
        map.retain(|name, _| !name.contains("_conv_stem"));
        assert!(!is_efficientnet_pytorch(&map));
        assert!(from_efficientnet_pytorch(map).is_err());
    }

    #[test]
    fn renamings_are_counted_by_module() {
        let pairs = [("a.weight", "b.weight"), ("a.bias", "b.bias"), ("c", "d")]
            .map(|(old, new)| (old.to_owned(), new.to_owned()));
        let wanted = [("a", "b", 2), ("c", "d", 1)].map(|(old, new, n)| (old.to_owned(), new.to_owned(), n));
        assert_eq!(by_module(&pairs), wanted);
    }
}
