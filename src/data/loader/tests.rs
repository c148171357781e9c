use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use super::*;
use crate::data::shapes::{ShapesDataset, ShapesOptions};
use crate::data::{Mask, Picture};

const TILES: Fit = Fit::Tile { size: 16, stride: 16 };

fn shapes(count: usize) -> Arc<dyn Dataset> {
    let options = ShapesOptions { size: 32, count, ..ShapesOptions::default() };
    Arc::new(ShapesDataset::new(options).unwrap())
}

fn training(batch: usize) -> LoaderOptions {
    LoaderOptions {
        seed: 5,
        shuffle: true,
        flips: true,
        partial: Partial::Drop,
        ..LoaderOptions::new(batch, TILES)
    }
}

fn loader(dataset: Arc<dyn Dataset>, options: LoaderOptions) -> Loader {
    let items: Vec<usize> = (0..dataset.len()).collect();
    let crops = options.fit.crops(&*dataset, &items).unwrap();
    Loader::new(dataset, crops, options).unwrap()
}

fn all(epoch: Epoch) -> Vec<Batch> {
    epoch.map(|batch| batch.unwrap()).collect()
}

#[test]
fn an_epoch_visits_every_window_once_in_an_order_of_its_own() {
    let loader = loader(shapes(3), LoaderOptions { partial: Partial::Pad, ..training(5) });
    let visits = |epoch| all(loader.epoch(epoch)).into_iter().flat_map(|b| b.crops).collect::<Vec<_>>();
    let (first, second) = (visits(0), visits(1));
    assert_ne!(first, second);
    for order in [first, second] {
        assert_eq!(order.len(), 12);
        assert_eq!(order.iter().collect::<std::collections::HashSet<_>>().len(), 12);
    }
}

#[test]
fn the_last_batch_is_dropped_or_padded_with_zeros() {
    let dropped = loader(shapes(3), training(5));
    assert_eq!((dropped.batches(), all(dropped.epoch(0)).len(), dropped.windows()), (2, 2, 12));
    let padded = loader(shapes(3), LoaderOptions { partial: Partial::Pad, ..training(5) });
    let batches = all(padded.epoch(0));
    assert_eq!(batches.iter().map(|b| b.valid).collect::<Vec<_>>(), [5, 5, 2]);
    let last = &batches[2];
    assert_eq!((last.n, last.ids.len(), last.x.len(), last.y.len()), (5, 2, 5 * 256, 5 * 256));
    assert!(last.x[2 * 256..].iter().all(|v| *v == 0.0) && last.y[2 * 256..].iter().all(|v| *v == 0));
    assert!(last.x[..2 * 256].iter().any(|v| *v != 0.0));
}

#[test]
fn batches_depend_on_seed_and_epoch_alone() {
    let run = |options: LoaderOptions, epoch| all(loader(shapes(4), options).epoch(epoch));
    let base = run(training(3), 2);
    assert_eq!(base, run(LoaderOptions { workers: 1, cache_bytes: 0, ..training(3) }, 2));
    assert_eq!(base, run(LoaderOptions { workers: 7, cache_bytes: 9000, ..training(3) }, 2));
    assert_ne!(base, run(LoaderOptions { seed: 6, ..training(3) }, 2));
    assert_ne!(base, run(training(3), 3));
    let kept = loader(shapes(4), training(3));
    drop(all(kept.epoch(0)));
    assert_eq!(base, all(kept.epoch(2)));
}

#[test]
fn a_window_turns_the_same_whatever_the_batch_size() {
    let windows = |n| {
        let mut seen: Vec<(usize, usize, usize, Vec<u8>)> = Vec::new();
        for batch in all(loader(shapes(4), training(n)).epoch(1)) {
            let y = batch.y.chunks(256).map(<[u8]>::to_vec);
            seen.extend(batch.crops.iter().zip(y).map(|(c, y)| (c.item, c.y, c.x, y)));
        }
        seen
    };
    assert_eq!(windows(4), windows(2));
}

#[test]
fn a_resumed_epoch_goes_on_identically() {
    let loader = loader(shapes(6), training(4));
    let whole = all(loader.epoch(3));
    let mut resumed = loader.epoch(3);
    resumed.skip_to(2).unwrap();
    assert_eq!(resumed.next().unwrap().unwrap(), whole[2]);
    resumed.skip_to(1).unwrap();
    assert_eq!(all(resumed), whole[1..]);
    let mut epoch = loader.epoch(3);
    epoch.skip_to(whole.len()).unwrap();
    assert!(epoch.next().is_none());
    assert!(epoch.skip_to(whole.len() + 1).is_err());
}

#[test]
fn unshuffled_windows_hold_the_picture_as_it_is() {
    let data = shapes(2);
    let options = LoaderOptions::new(2, Fit::Resize { width: 32, height: 32 });
    let batch = loader(Arc::clone(&data), options).epoch(0).next().unwrap().unwrap();
    assert_eq!(
        (batch.h, batch.w, batch.c, batch.ids.clone()),
        (32, 32, 1, vec![data.id(0).into(), data.id(1).into()])
    );
    for (i, half) in batch.x.chunks(32 * 32).enumerate() {
        assert_eq!(half, data.load(i).unwrap().picture.data);
    }
    assert_eq!(batch.y[1024..], data.load(1).unwrap().mask.data);
}

/// A data set that fails, panics or takes its time.
struct Bad {
    inner: ShapesDataset,
    loads: AtomicUsize,
    what: fn(usize) -> Result<()>,
}

impl Bad {
    fn arc(count: usize, what: fn(usize) -> Result<()>) -> Arc<Self> {
        let options = ShapesOptions { size: 32, count, ..ShapesOptions::default() };
        Arc::new(Self { inner: ShapesDataset::new(options).unwrap(), loads: AtomicUsize::new(0), what })
    }
}

impl Dataset for Bad {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn id(&self, i: usize) -> &str {
        self.inner.id(i)
    }
    fn size(&self, i: usize) -> (usize, usize) {
        self.inner.size(i)
    }
    fn load(&self, i: usize) -> Result<Sample> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        (self.what)(i)?;
        self.inner.load(i)
    }
    fn channels(&self) -> usize {
        1
    }
    fn classes(&self) -> usize {
        // One too few, which the loader has to notice.
        if self.len() == 3 { 1 } else { 2 }
    }
}

fn whole(batch: usize) -> LoaderOptions {
    LoaderOptions::new(batch, Fit::Resize { width: 32, height: 32 })
}

#[test]
fn errors_come_through_and_end_the_epoch() {
    let data = Bad::arc(6, |i| if i == 3 { Err(Error::data("bad.png", "broken")) } else { Ok(()) });
    let results: Vec<_> = loader(data, whole(2)).epoch(0).collect();
    assert_eq!(results.len(), 2);
    assert!(results[0].is_ok());
    assert!(results[1].as_ref().is_err_and(|e| e.to_string().contains("bad.png")));
}

#[test]
fn a_panic_becomes_an_error() {
    let data = Bad::arc(4, |i| if i == 2 { panic!("decoder bug") } else { Ok(()) });
    let results: Vec<_> = loader(data, whole(2)).epoch(0).collect();
    assert_eq!(results.len(), 2);
    assert!(results[1].as_ref().is_err_and(|e| e.to_string().contains("decoder bug")), "{:?}", results[1]);
}

#[test]
fn classes_beyond_the_last_are_refused() {
    let results: Vec<_> = loader(Bad::arc(3, |_| Ok(())), whole(3)).epoch(0).collect();
    assert!(results[0].as_ref().is_err_and(|e| e.to_string().contains("class 1")), "{:?}", results[0]);
}

#[test]
fn dropping_early_stops_reading_and_does_not_hang() {
    let data = Bad::arc(400, |_| {
        std::thread::sleep(Duration::from_millis(5));
        Ok(())
    });
    let loader = loader(data.clone(), LoaderOptions { cache_bytes: 0, workers: 2, ..whole(4) });
    let begin = Instant::now();
    let mut epoch = loader.epoch(0);
    epoch.next().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(150));
    drop(epoch);
    assert!(begin.elapsed() < Duration::from_secs(5));
    let read = data.loads.load(Ordering::Relaxed);
    assert!(read <= 20, "{read} samples were read ahead");
    drop(loader.epoch(1));
    assert_eq!(data.loads.load(Ordering::Relaxed), read, "an epoch that is not begun reads nothing");
}

#[test]
fn the_cache_spares_loads_over_epochs() {
    let data = Bad::arc(5, |_| Ok(()));
    let loader = loader(data.clone(), LoaderOptions { workers: 1, ..whole(5) });
    drop(all(loader.epoch(0)));
    drop(all(loader.epoch(1)));
    assert_eq!(data.loads.load(Ordering::Relaxed), 5);
}

#[test]
fn unusable_options_are_refused() {
    let data = shapes(2);
    let make = |options: LoaderOptions, crops: Vec<Crop>| Loader::new(Arc::clone(&data), crops, options);
    let crop = Crop { item: 0, x: 0, y: 0 };
    assert!(make(training(1), vec![crop]).is_ok());
    assert!(make(training(0), vec![crop]).is_err());
    assert!(make(training(2), vec![crop]).is_err());
    assert!(make(training(1), vec![]).is_err());
    assert!(make(training(1), vec![Crop { item: 2, ..crop }]).is_err());
    assert!(make(training(1), vec![Crop { x: 17, ..crop }]).is_err());
    let two = Normalise::MeanStd { mean: vec![0.0; 2], std: vec![1.0] };
    assert!(make(LoaderOptions { normalise: two, ..training(1) }, vec![crop]).is_err());
}

/// Noise of as much as the pictures' own contrast.
fn noisy(fit: Fit, cache_bytes: u64) -> LoaderOptions {
    let noise = Some(PixelNoise { deviation: 0.5, seed: 3 });
    LoaderOptions { noise, cache_bytes, workers: 2, ..LoaderOptions::new(2, fit) }
}

#[test]
fn noise_is_new_in_every_epoch_whatever_is_kept_in_memory() {
    for fit in [TILES, Fit::Tile { size: 48, stride: 48 }, Fit::Resize { width: 24, height: 16 }] {
        let (kept, read) = (loader(shapes(3), noisy(fit, 1 << 20)), loader(shapes(3), noisy(fit, 0)));
        let clean = loader(shapes(3), LoaderOptions { noise: None, ..noisy(fit, 0) });
        let epochs: Vec<Vec<Batch>> = (0..3).map(|epoch| all(kept.epoch(epoch))).collect();
        assert_eq!(epochs[0], all(kept.epoch(0)), "an epoch repeats");
        assert_eq!(epochs[2], all(read.epoch(2)), "the cache changes nothing");
        let plain = all(clean.epoch(1));
        for (epoch, other) in [(0, 1), (1, 2)] {
            let equal = |a: &Batch, b: &Batch| a.x.iter().zip(&b.x).filter(|(a, b)| a == b).count();
            let values = epochs[epoch][0].x.len();
            assert!(equal(&epochs[epoch][0], &epochs[other][0]) < values / 50, "{fit:?}");
        }
        assert!(
            epochs[1].iter().zip(&plain).all(|(noisy, clean)| noisy.y == clean.y && noisy.ids == clean.ids)
        );
        let off = |a: &f32, b: &f32| f64::from(a - b);
        let pairs = || epochs[1][0].x.iter().zip(&plain[0].x).map(|(a, b)| off(a, b));
        let n = pairs().count() as f64;
        let deviation = (pairs().map(|d| d * d).sum::<f64>() / n).sqrt();
        assert!((deviation - 0.5).abs() < 0.05, "{fit:?}: {deviation}");
    }
}

#[test]
fn noise_comes_before_the_scale() {
    let fit = Fit::Resize { width: 32, height: 32 };
    for normalise in [Normalise::MinMax, Normalise::ZScore] {
        let batch =
            &all(loader(shapes(2), LoaderOptions { normalise: normalise.clone(), ..noisy(fit, 0) }).epoch(4))
                [0];
        for picture in batch.x.chunks_exact(32 * 32) {
            if normalise == Normalise::MinMax {
                let ends = picture.iter().fold([1.0f32, 0.0], |e, v| [e[0].min(*v), e[1].max(*v)]);
                assert_eq!(ends, [0.0, 1.0]);
            } else {
                assert!(picture.iter().sum::<f32>().abs() < 1e-2);
            }
        }
    }
}

/// Windows of one picture are of one noisy picture.
#[test]
fn windows_share_the_noise_of_their_picture() {
    let fit = Fit::Tile { size: 16, stride: 8 };
    let batches = all(loader(shapes(1), noisy(fit, 1 << 20)).epoch(0));
    let windows: Vec<&[f32]> = batches.iter().flat_map(|b| b.x.chunks_exact(256).take(b.valid)).collect();
    let (first, second) = (windows[0], windows[1]);
    for y in 0..16 {
        assert_eq!(first[16 * y + 8..16 * (y + 1)], second[16 * y..16 * y + 8]);
    }
}

#[test]
fn windows_anywhere_stay_inside_and_move_from_epoch_to_epoch() {
    let dataset = shapes(3);
    let crops: Vec<Crop> = [0, 0, 1, 2].map(|item| Crop { item, x: 0, y: 0 }).into();
    let options = LoaderOptions { anywhere: Some(0.0), flips: false, ..training(2) };
    let make = || Loader::new(dataset.clone(), crops.clone(), options.clone()).unwrap();
    let loader = make();
    let mut seen = std::collections::HashSet::new();
    for epoch in 0..30 {
        let batches = all(loader.epoch(epoch));
        assert_eq!(batches, all(make().epoch(epoch)));
        for batch in &batches {
            for (i, crop) in batch.crops.iter().enumerate() {
                assert!(crop.x <= 16 && crop.y <= 16, "{crop:?}");
                seen.insert((crop.x, crop.y));
                // The mask is that of the place.
                let mask = dataset.load(crop.item).unwrap().mask;
                let rows = (crop.y..crop.y + 16).flat_map(|y| mask.data[y * 32 + crop.x..][..16].to_vec());
                assert_eq!(rows.collect::<Vec<u8>>(), batch.y[i * 256..(i + 1) * 256]);
            }
        }
    }
    assert!(seen.len() > 60, "{}", seen.len());
}

/// Pictures with one pixel of foreground: near an edge, in the last row and column, in a picture lower than a window, and none.
struct Marked;

impl Marked {
    const SIZES: [(usize, usize); 4] = [(48, 32), (40, 56), (50, 10), (32, 32)];
    const AT: [Option<(usize, usize)>; 4] = [Some((40, 2)), Some((39, 55)), Some((20, 9)), None];
}

impl Dataset for Marked {
    fn len(&self) -> usize {
        4
    }
    fn channels(&self) -> usize {
        1
    }
    fn classes(&self) -> usize {
        2
    }
    fn id(&self, item: usize) -> &str {
        ["edge", "corner", "low", "none"][item]
    }
    fn size(&self, item: usize) -> (usize, usize) {
        Self::SIZES[item]
    }
    fn load(&self, item: usize) -> Result<Sample> {
        let (width, height) = Self::SIZES[item];
        let mut mask = Mask { width, height, data: vec![0; width * height] };
        Self::AT[item].into_iter().for_each(|(x, y)| mask.data[y * width + x] = 1);
        let picture = Picture { width, height, channels: 1, data: vec![0.5; width * height] };
        Ok(Sample { id: self.id(item).to_owned(), picture, mask })
    }
}

#[test]
fn windows_hold_foreground_as_often_as_asked() {
    let crops: Vec<Crop> = (0..4).flat_map(|item| [Crop { item, x: 0, y: 0 }; 200]).collect();
    let base = |chance| LoaderOptions { anywhere: Some(chance), flips: false, ..training(20) };
    let run = |options| all(Loader::new(Arc::new(Marked), crops.clone(), options).unwrap().epoch(0));
    let held = |chance| {
        let mut held = [0; 4];
        for batch in run(base(chance)) {
            for (mask, crop) in batch.y.chunks_exact(256).zip(&batch.crops) {
                held[crop.item] += usize::from(mask.contains(&1));
            }
        }
        held
    };
    let (never, half, always) = (held(0.0), held(0.5), held(1.0));
    // Of the corner's 25 x 41 places one holds it.
    assert!(never[1] < 10 && (80..=120).contains(&half[1]), "{never:?} {half:?}");
    assert_eq!(always, [200, 200, 200, 0]);
    let one_by_one = LoaderOptions { workers: 1, cache_bytes: 0, ..base(0.5) };
    assert_eq!(run(one_by_one), run(base(0.5)));
    let batches = run(base(1.0));
    let edge = batches.iter().flat_map(|b| &b.crops).filter(|c| c.item == 0);
    let places: std::collections::HashSet<_> = edge.map(|c| (c.x, c.y)).collect();
    assert!(places.len() > 20, "{places:?}");
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(Loader::new(Arc::new(Marked), crops.clone(), base(bad)).is_err());
    }
}

#[test]
fn a_window_that_comes_again_is_cut_and_turned_anew() {
    use crate::data::course::{Course, Pacing};
    let dataset = shapes(16);
    let crops: Vec<Crop> = (0..16).map(|item| Crop { item, x: 0, y: 0 }).collect();
    // One window, sixteen times.
    let course =
        Course { windows: (0..16).collect(), pacing: Pacing::Linear, start: 0.01, end: 0.01, full: 1 };
    let options = LoaderOptions { course: Some(course), anywhere: Some(0.0), ..training(16) };
    let batches = all(Loader::new(dataset.clone(), crops.clone(), options.clone()).unwrap().epoch(0));
    assert!(batches[0].crops.iter().all(|crop| crop.item == 0));
    let places: std::collections::HashSet<_> = batches[0].crops.iter().map(|crop| (crop.x, crop.y)).collect();
    assert!(places.len() > 8, "{places:?}");
    let still = LoaderOptions { anywhere: None, ..options };
    let batches = all(Loader::new(dataset, crops, still).unwrap().epoch(0));
    let turned: std::collections::HashSet<_> =
        batches[0].x.chunks_exact(256).map(|x| x.iter().map(|v| v.to_bits()).collect::<Vec<_>>()).collect();
    assert!(turned.len() > 3, "{}", turned.len());
}
