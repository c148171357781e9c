//! Batches of an epoch, made ahead on a background thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rand::Rng;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

use super::batch::{Batch, Turn, cut};
use super::cache::Cache;
use super::course::Course;
use super::fit::{Crop, Fit};
use super::mask::Mask;
use super::noise::PixelNoise;
use super::normalise::Normalise;
use super::random::{Purpose, below, keyed, shuffle};
use super::sample::{Dataset, Sample};
use crate::{Error, Result};

/// Finished batches that wait for the consumer.
const AHEAD: usize = 2;

/// What becomes of the windows that do not fill a last batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partial {
    /// They are left out of this epoch; the order is new in the next.
    #[default]
    Drop,
    /// The batch is filled up with zeros and says how many windows are real.
    Pad,
}

/// How batches are made.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderOptions {
    /// Windows a batch, above 0.
    pub batch: usize,
    /// How pictures are brought to one size.
    pub fit: Fit,
    /// How picture values are scaled.
    pub normalise: Normalise,
    /// Added to pictures before that, another in every epoch. Costs the scaling of the whole picture for every window.
    pub noise: Option<PixelNoise>,
    /// Seed of order and turns.
    pub seed: u64,
    /// Whether each epoch has an order of its own; otherwise windows come as listed.
    pub shuffle: bool,
    /// What is drawn from in which epoch; else all windows once.
    pub course: Option<Course>,
    /// Whether windows are flipped at random, and square ones turned by quarters.
    pub flips: bool,
    /// `Some(chance)`: windows lie anywhere in their picture, elsewhere in every epoch; each is with this chance placed where it
    /// holds a pixel of a class above 0, if the picture has one. `None`: they lie as listed.
    pub anywhere: Option<f64>,
    /// What becomes of an incomplete last batch.
    pub partial: Partial,
    /// Memory for decoded samples, in bytes, kept over epochs. 0 decodes each time; tiles then decode their
    /// whole picture for every window.
    pub cache_bytes: u64,
    /// Threads that decode; 0 takes one a CPU core, up to 8.
    pub workers: usize,
}

impl LoaderOptions {
    /// In order, unflipped, 0..1, padded last batch, 512 MiB of cache.
    pub fn new(batch: usize, fit: Fit) -> Self {
        Self {
            batch,
            fit,
            normalise: Normalise::Unit,
            noise: None,
            seed: 0,
            shuffle: false,
            course: None,
            flips: false,
            anywhere: None,
            partial: Partial::Pad,
            cache_bytes: 512 << 20,
            workers: 0,
        }
    }
}

/// Makes batches of windows. What a batch holds depends on the options, the epoch's number and the batch's
/// number alone: not on threads, the cache or what was read before.
pub struct Loader {
    shared: Arc<Shared>,
}

struct Shared {
    dataset: Arc<dyn Dataset>,
    crops: Vec<Crop>,
    options: LoaderOptions,
    cache: Cache,
    /// Of its own, so that a consumer inside the global pool cannot starve the decoder it waits for.
    pool: ThreadPool,
}

impl Loader {
    /// A loader of the listed windows; [`Fit::crops`] of the same fit lists them.
    ///
    /// # Errors
    /// [`Error::Config`] where the options are unusable, a window is not in the data set, or no batch would
    /// come out; [`Error::Io`] where threads cannot be started.
    pub fn new(dataset: Arc<dyn Dataset>, crops: Vec<Crop>, options: LoaderOptions) -> Result<Self> {
        options.fit.check()?;
        options.normalise.check(dataset.channels())?;
        if options.batch == 0 {
            return Err(Error::Config("the batch size must be above 0".into()));
        }
        if crops.is_empty() || (options.partial == Partial::Drop && crops.len() < options.batch) {
            let (n, batch) = (crops.len(), options.batch);
            let message =
                format!("{n} windows fill no batch of {batch}; use a smaller batch, or pad the last one");
            return Err(Error::Config(message));
        }
        if let Some(crop) = crops.iter().find(|crop| !is_inside(&*dataset, &options.fit, **crop)) {
            return Err(Error::Config(format!(
                "the window {crop:?} is not in the data set; list windows with the fit"
            )));
        }
        if let Some(chance) = options.anywhere.filter(|chance| !(0.0..=1.0).contains(chance)) {
            return Err(Error::Config(format!(
                "{chance} is no chance for windows to hold foreground; it must be 0 to 1"
            )));
        }
        let unfit = |course: &Course| {
            course.windows.len() != crops.len() || course.windows.iter().any(|w| *w >= crops.len())
        };
        if options.course.as_ref().is_some_and(unfit) {
            return Err(Error::Config(format!("a course must rank all of the {} windows", crops.len())));
        }
        let threads = match options.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(8),
            n => n,
        };
        let pool =
            ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("decode-{i}")).build();
        let pool = pool.map_err(|e| Error::io("decoding threads")(std::io::Error::other(e)))?;
        let cache = Cache::new(options.cache_bytes);
        Ok(Self { shared: Arc::new(Shared { dataset, crops, options, cache, pool }) })
    }

    /// Batches in every epoch.
    pub fn batches(&self) -> usize {
        self.shared.batches()
    }

    /// Windows that the loader draws from, the ones that an epoch may drop counted.
    pub fn windows(&self) -> usize {
        self.shared.crops.len()
    }

    /// The batches of epoch `epoch`. Nothing is read before the first is asked for.
    pub fn epoch(&self, epoch: u64) -> Epoch {
        let Shared { crops, options, .. } = &*self.shared;
        let order = match &options.course {
            Some(course) => course.order(options.seed, epoch),
            None => {
                let mut order: Vec<usize> = (0..crops.len()).collect();
                if options.shuffle {
                    shuffle(&mut order, &mut keyed(Purpose::Order, options.seed, epoch, 0));
                }
                order
            }
        };
        Epoch {
            shared: Arc::clone(&self.shared),
            epoch,
            order: order.into(),
            next: 0,
            running: None,
            failed: false,
        }
    }
}

/// The batches of one epoch, in order. Ends after the first error.
pub struct Epoch {
    shared: Arc<Shared>,
    epoch: u64,
    /// Draws: windows, or as [`Course::order`] calls those that come again.
    order: Arc<[usize]>,
    next: usize,
    running: Option<Running>,
    failed: bool,
}

impl Epoch {
    /// Goes on with batch `batch` (from 0), as a resumed run does. What is skipped is not read.
    ///
    /// # Errors
    /// [`Error::Config`] where `batch` is beyond the end; the end itself is allowed.
    pub fn skip_to(&mut self, batch: usize) -> Result<()> {
        if batch > self.shared.batches() {
            let n = self.shared.batches();
            return Err(Error::Config(format!(
                "cannot go on at batch {batch} of {n}: was the data or batch size changed?"
            )));
        }
        self.running = None;
        self.next = batch;
        Ok(())
    }

    fn start(&self) -> Result<Running> {
        let (sender, receiver) = sync_channel(AHEAD);
        let stop = Arc::new(AtomicBool::new(false));
        let job = Job {
            shared: Arc::clone(&self.shared),
            epoch: self.epoch,
            order: Arc::clone(&self.order),
            stop: Arc::clone(&stop),
        };
        let first = self.next;
        let thread = std::thread::Builder::new().name("loader".into()).spawn(move || job.run(first, &sender));
        let thread = thread.map_err(Error::io("loader thread"))?;
        Ok(Running { receiver: Some(receiver), stop, thread: Some(thread) })
    }

    fn advance(&mut self) -> Result<Batch> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        let batch = running.receive()?;
        self.running = Some(running);
        Ok(batch)
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.next >= self.shared.batches() {
            self.running = None;
            return None;
        }
        let batch = self.advance();
        self.failed = batch.is_err();
        self.next += 1;
        Some(batch)
    }
}

/// A background thread and the channel it fills.
struct Running {
    /// `None` only while dropping.
    receiver: Option<Receiver<Result<Batch>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn receive(&mut self) -> Result<Batch> {
        match self.receiver.as_ref().map(Receiver::recv) {
            Some(Ok(batch)) => batch,
            // The thread sends every batch or an error; a closed channel means that a decoder panicked.
            _ => {
                let panic = self.thread.take().and_then(|thread| thread.join().err());
                let said = panic.as_ref().and_then(|p| {
                    p.downcast_ref::<String>()
                        .map(String::as_str)
                        .or_else(|| p.downcast_ref::<&str>().copied())
                });
                Err(Error::data(
                    "loader",
                    format!("a decoder failed badly: {}", said.unwrap_or("no message")),
                ))
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Closing the channel first wakes a thread that waits for room; it then ends after the sample in
        // hand.
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            // A panic has nobody left to be told.
            let _ = thread.join();
        }
    }
}

/// What the background thread needs.
struct Job {
    shared: Arc<Shared>,
    epoch: u64,
    order: Arc<[usize]>,
    stop: Arc<AtomicBool>,
}

impl Job {
    fn run(&self, first: usize, sender: &SyncSender<Result<Batch>>) {
        for index in first..self.shared.batches() {
            let batch = self.batch(index);
            let failed = batch.is_err();
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    }

    fn batch(&self, index: usize) -> Result<Batch> {
        let Shared { dataset, options, pool, .. } = &*self.shared;
        let (n, (h, w), c) = (options.batch, options.fit.size(), dataset.channels());
        let first = index * n;
        let draws = &self.order[first..self.order.len().min(first + n)];
        let (mut x, mut y) = (vec![0.0; n * h * w * c], vec![0; n * h * w]);
        let crops = pool.install(|| {
            let slots = x.par_chunks_exact_mut(h * w * c).zip(y.par_chunks_exact_mut(h * w));
            slots.zip(draws).map(|((x, y), &draw)| self.fill(draw, x, y)).collect::<Result<Vec<Crop>>>()
        })?;
        let ids = crops.iter().map(|crop| dataset.id(crop.item).to_owned()).collect();
        Ok(Batch { index, n, h, w, c, x, y, valid: draws.len(), ids, crops })
    }

    /// Where the window of a draw, listed as such, lies in this epoch, in a picture with this mask.
    fn place(&self, draw: usize, listed: Crop, mask: &Mask) -> Crop {
        let Shared { dataset, options, .. } = &*self.shared;
        let (Fit::Tile { size, .. }, Some(chance)) = (options.fit, options.anywhere) else { return listed };
        let mut rng = keyed(Purpose::Crop, options.seed, self.epoch, draw as u64);
        // A chance of 0 takes no random number, so that windows are those of runs without the key.
        let aimed = chance > 0.0 && rng.random::<f64>() < chance;
        if let Some((x, y)) = aimed.then(|| mask.around_foreground(size, &mut rng)).flatten() {
            return Crop { x, y, ..listed };
        }
        let (width, height) = dataset.size(listed.item);
        let mut corner = |side: usize| below(&mut rng, side.saturating_sub(size) + 1);
        Crop { x: corner(width), y: corner(height), ..listed }
    }

    /// Fills the window of a draw, and tells where it lies.
    fn fill(&self, draw: usize, x: &mut [f32], y: &mut [u8]) -> Result<Crop> {
        let Shared { crops, options, cache, .. } = &*self.shared;
        let listed = crops[draw % crops.len()];
        if self.stop.load(Ordering::Relaxed) {
            // Nobody will see this batch.
            return Ok(listed);
        }
        let sample = cache.get(listed.item, || self.shared.prepare(listed.item))?;
        let crop = self.place(draw, listed, &sample.mask);
        let noisy = match &options.noise {
            Some(noise) => {
                let again = (draw / crops.len()) as u32;
                let grain = Some(noise.fresh(&sample.id, self.epoch, again));
                Some(options.fit.finish_picture(sample.picture.clone(), &options.normalise, grain)?)
            }
            None => None,
        };
        let picture = noisy.as_ref().unwrap_or(&sample.picture);
        let (h, w) = options.fit.size();
        let turn = match options.flips {
            true => Turn::random(options.seed, self.epoch, draw, h == w),
            false => Turn::default(),
        };
        cut((picture, &sample.mask), crop, (h, w), turn, x, y);
        Ok(crop)
    }
}

impl Shared {
    fn batches(&self) -> usize {
        match self.options.partial {
            Partial::Drop => self.crops.len() / self.options.batch,
            Partial::Pad => self.crops.len().div_ceil(self.options.batch),
        }
    }

    /// Loads a sample and checks what the rest relies on, since anyone may write a data set.
    fn prepare(&self, item: usize) -> Result<Sample> {
        let sample = self.dataset.load(item)?;
        let (channels, classes) = (self.dataset.channels(), self.dataset.classes());
        let (picture, mask) = (&sample.picture, &sample.mask);
        let size = self.dataset.size(item);
        let pixels = picture.width * picture.height;
        let fits = (picture.width, picture.height) == size
            && (mask.width, mask.height) == size
            && (picture.channels, picture.data.len(), mask.data.len())
                == (channels, pixels * channels, pixels);
        if !fits || pixels == 0 {
            let message =
                format!("picture or mask is not {}x{} with {channels} channels, as stated", size.0, size.1);
            return Err(Error::data(&sample.id, message));
        }
        if let Some(class) = mask.data.iter().find(|class| usize::from(**class) >= classes) {
            return Err(Error::data(
                &sample.id,
                format!("the mask holds class {class}, but classes are below {classes}"),
            ));
        }
        let LoaderOptions { fit, normalise, noise, .. } = &self.options;
        // What is kept in memory must be the same in every epoch.
        if noise.is_some() { fit.prepare_size(sample) } else { fit.prepare(sample, normalise) }
    }
}

fn is_inside(dataset: &dyn Dataset, fit: &Fit, crop: Crop) -> bool {
    if crop.item >= dataset.len() {
        return false;
    }
    let (width, height) = match fit {
        Fit::Resize { width, height } => (*width, *height),
        Fit::Tile { size, .. } => {
            let (width, height) = dataset.size(crop.item);
            (width.max(*size), height.max(*size))
        }
    };
    let (h, w) = fit.size();
    crop.x.saturating_add(w) <= width && crop.y.saturating_add(h) <= height
}

#[cfg(test)]
mod tests;
