//! What a data set holds, and what is wrong with it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use rayon::prelude::*;
use serde::Serialize;

use super::picture::Picture;
use super::sample::Dataset;
use super::split::Split;
use crate::Result;

/// A class in all masks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClassShare {
    /// Which; 0 is the background.
    pub class: usize,
    /// Its part of all pixels.
    pub share: f64,
    /// Pictures that have it.
    pub pictures: usize,
}

/// Pictures that are one, or nearly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Twins {
    /// Their names, with the part of the split that each is in.
    pub pictures: Vec<String>,
    /// They lie in several parts, so that a score on one is not of unseen pictures.
    pub leak: bool,
    /// Pixel by pixel; else they only look alike when they are small.
    pub exact: bool,
}

/// What a data set holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Survey {
    /// Pictures in all.
    pub pictures: usize,
    /// Pictures of each part of the split: train, val, test, and those in none.
    pub parts: BTreeMap<&'static str, usize>,
    /// Pictures by size, `width x height`.
    pub sizes: BTreeMap<String, usize>,
    /// Channels that pictures are read as.
    pub channels: usize,
    /// Pictures by the channels that their files have.
    pub file_channels: BTreeMap<usize, usize>,
    /// What the values of the mask files mean.
    pub mask_coding: Option<String>,
    /// The classes of the masks.
    pub classes: Vec<ClassShare>,
    /// Pictures whose mask is background alone.
    pub empty: Vec<String>,
    /// Pictures of one value throughout.
    pub blank: Vec<String>,
    /// Pictures that are there more than once.
    pub twins: Vec<Twins>,
    /// Pictures that cannot be read, and why.
    pub unreadable: Vec<String>,
}

/// What one picture tells.
struct Seen {
    size: String,
    counts: Vec<u64>,
    blank: bool,
    exact: u64,
    look: u64,
}

impl Survey {
    /// Reads every picture and mask.
    pub fn of(dataset: &dyn Dataset, split: &Split) -> Self {
        let seen: Vec<Result<Seen>> =
            (0..dataset.len()).into_par_iter().map(|i| look_at(dataset, i)).collect();
        let mut part = vec!["none"; dataset.len()];
        for (name, items) in [("train", &split.train), ("val", &split.val), ("test", &split.test)] {
            items.iter().for_each(|i| part[*i] = name);
        }
        let mut all = Self {
            pictures: dataset.len(),
            channels: dataset.channels(),
            mask_coding: dataset.mask_coding(),
            ..Self::default()
        };
        for channels in (0..dataset.len()).filter_map(|i| dataset.file_channels(i)) {
            *all.file_channels.entry(channels).or_default() += 1;
        }
        let mut counts = vec![(0u64, 0usize); dataset.classes()];
        let (mut exact, mut alike) = (BTreeMap::<u64, Vec<usize>>::new(), BTreeMap::<u64, Vec<usize>>::new());
        for (i, seen) in seen.into_iter().enumerate() {
            *all.parts.entry(part[i]).or_default() += 1;
            let seen = match seen {
                Ok(seen) => seen,
                Err(e) => {
                    all.unreadable.push(e.to_string());
                    continue;
                }
            };
            *all.sizes.entry(seen.size).or_default() += 1;
            for (sum, count) in counts.iter_mut().zip(&seen.counts) {
                sum.0 += count;
                sum.1 += usize::from(*count > 0);
            }
            if seen.counts.iter().skip(1).all(|count| *count == 0) {
                all.empty.push(dataset.id(i).to_owned());
            }
            if seen.blank {
                // The first and last slices of a volume often show nothing.
                if dataset.unit(i) == dataset.id(i) {
                    all.blank.push(dataset.id(i).to_owned());
                }
                continue;
            }
            exact.entry(seen.exact).or_default().push(i);
            alike.entry(seen.look).or_default().push(i);
        }
        let whole: u64 = counts.iter().map(|c| c.0).sum();
        let share = |(class, (pixels, pictures)): (usize, (u64, usize))| ClassShare {
            class,
            share: pixels as f64 / whole.max(1) as f64,
            pictures,
        };
        all.classes = counts.into_iter().enumerate().map(share).collect();
        let twins = |group: &Vec<usize>, exact: bool| {
            let parts: Vec<&str> = group.iter().map(|i| part[*i]).collect();
            let name = |(i, part): (&usize, &&str)| format!("{} ({part})", dataset.id(*i));
            let leak = parts.iter().any(|p| *p != parts[0]);
            Twins { pictures: group.iter().zip(&parts).map(name).collect(), leak, exact }
        };
        let several = |group: &&Vec<usize>| group.len() > 1;
        all.twins = exact.values().filter(several).map(|group| twins(group, true)).collect();
        let known: Vec<&Vec<usize>> = exact.values().filter(several).collect();
        let looks = alike.values().filter(several).filter(|group| !known.contains(group));
        all.twins.extend(looks.map(|group| twins(group, false)));
        all
    }

    /// What ought to be mended before training, in words; empty where nothing ought.
    pub fn problems(&self) -> Vec<String> {
        let mut found = self.unreadable.clone();
        let leaks = self.twins.iter().filter(|t| t.leak && t.exact);
        found.extend(leaks.map(|t| format!("one picture in several parts: {}", t.pictures.join(", "))));
        found.extend(self.blank.iter().map(|id| format!("{id} has one value throughout")));
        let absent = self.classes.iter().filter(|c| c.pictures == 0);
        found.extend(absent.map(|c| format!("class {} is in no mask", c.class)));
        found
    }
}

fn look_at(dataset: &dyn Dataset, i: usize) -> Result<Seen> {
    let sample = dataset.load(i)?;
    let mut counts = vec![0u64; dataset.classes()];
    sample.mask.data.iter().for_each(|class| counts[usize::from(*class)] += 1);
    let picture = &sample.picture;
    let mut hasher = DefaultHasher::new();
    picture.data.iter().for_each(|v| hasher.write_u32(v.to_bits()));
    hasher.write_usize(picture.width);
    Ok(Seen {
        size: format!("{}x{}", picture.width, picture.height),
        counts,
        blank: picture.data.iter().all(|v| *v == picture.data[0]),
        exact: hasher.finish(),
        look: look(picture)?,
    })
}

/// A picture's look in 64 bits: shrunk to 9x8, whether each pixel is brighter than the next (a difference hash).
fn look(picture: &Picture) -> Result<u64> {
    let small = picture.resize(9, 8)?;
    let gray: Vec<f32> = small.data.chunks_exact(small.channels).map(|p| p.iter().sum()).collect();
    let bits = (0..64).map(|i| (i / 8) * 9 + i % 8).map(|at| u64::from(gray[at] > gray[at + 1]));
    Ok(bits.fold(0, |word, bit| word << 1 | bit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::data::{Mask, Sample};

    /// Pictures by a number: equal numbers are equal pictures, a half makes it a little brighter, none breaks it.
    struct Made(Vec<Option<f32>>);

    impl Dataset for Made {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn id(&self, i: usize) -> &str {
            ["a", "b", "c", "d", "e"][i]
        }

        fn size(&self, _: usize) -> (usize, usize) {
            (20, 16)
        }

        fn load(&self, i: usize) -> Result<Sample> {
            let kind = self.0[i].ok_or_else(|| Error::Check(format!("{} is broken", self.id(i))))?;
            let shade = |p: usize| (p as f32 * (kind.floor() + 1.3)).sin().abs() * 0.9 + 0.01 * kind.fract();
            let data = (0..320).map(|p| if kind < 0.0 { 0.5 } else { shade(p) }).collect();
            let picture = Picture { width: 20, height: 16, channels: 1, data };
            let mask = Mask { width: 20, height: 16, data: vec![u8::from(i == 0); 320] };
            Ok(Sample { id: self.id(i).into(), picture, mask })
        }

        fn channels(&self) -> usize {
            1
        }

        fn classes(&self) -> usize {
            3
        }
    }

    #[test]
    fn twins_leaks_and_blanks_are_found() {
        let data = Made(vec![Some(1.0), Some(2.0), Some(1.0), Some(2.5), Some(-1.0)]);
        let split = Split { train: vec![0, 1, 4], val: vec![2], test: vec![3] };
        let all = Survey::of(&data, &split);
        assert_eq!((all.pictures, all.parts["train"], all.sizes["20x16"]), (5, 3, 5));
        assert_eq!((all.classes[1].pictures, all.classes[1].share), (1, 0.2));
        assert_eq!((all.empty.len(), all.blank.as_slice()), (4, &["e".to_owned()][..]));
        let exact: Vec<&Twins> = all.twins.iter().filter(|t| t.exact).collect();
        assert_eq!(exact.len(), 1);
        assert_eq!(exact[0].pictures, ["a (train)", "c (val)"]);
        assert!(
            all.twins.iter().any(|t| !t.exact && t.leak && t.pictures[0].starts_with('b')),
            "{:?}",
            all.twins
        );
        let problems = all.problems().join("; ");
        for part in ["several parts: a (train), c (val)", "e has one value", "class 2 is in no mask"] {
            assert!(problems.contains(part), "{problems}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_told() {
        let data = Made(vec![Some(1.0), None]);
        let all = Survey::of(&data, &Split { train: vec![0, 1], val: vec![], test: vec![] });
        assert!(all.unreadable.len() == 1 && all.unreadable[0].contains("b is broken"));
        assert_eq!(all.sizes["20x16"], 1);
    }
}
